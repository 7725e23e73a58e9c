/* What the kernel says about a process.  Any thread. */
#pragma once

#include <stdint.h>

/* Processor time it has used, all threads; 0 if pid is 0 or not there. */
int64_t proc_cpu_ms(int64_t pid);
