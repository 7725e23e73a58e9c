/* Read first in every test, whose main() each.c calls by another name. */
int main(void);
