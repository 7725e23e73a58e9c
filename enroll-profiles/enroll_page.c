/*
 * The page a Mac user sees before enrolling, in English and Japanese: what
 * will happen, what the organisation can see and do, and which buttons to
 * press.  Plain HTML with one style sheet of our own and no script, so that
 * its content security policy allows nothing else.
 *
 * Pure functions; any thread.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/encode.h"
#include "enroll-profiles/enroll_priv.h"

/*
 * Trusted HTML with two placeholders: {org} is the organisation, escaped, and
 * {min} the minutes a download is good for.
 */
struct page_text {
	const char *code;
	const char *head, *ready, *not_ready;
};

#define BUTTON(label)                                                          \
	"<p><a class=\"button\" href=\"/enroll/profile\">" label "</a></p>\n"

static const struct page_text texts[] = {
	[ENROLL_EN] = {
	    .code = "en",
	    .head = "<title>Enrol this Mac - {org}</title>\n",
	    .ready =
	        "<p class=\"lang\"><a href=\"/enroll?lang=ja\" lang=\"ja\" "
	        "hreflang=\"ja\">日本語</a></p>\n"
	        "<h1>Enrol this Mac with {org}</h1>\n"
	        "<p>After enrolment {org} manages this Mac. "
	        "Read what that means, then press the button.</p>\n"
	        "<h2>What {org} can see</h2>\n<ul>\n"
	        "<li>Model, serial number, computer name and macOS version"
	        "</li>\n"
	        "<li>Security state, such as FileVault and the firewall</li>\n"
	        "<li>Names of installed applications, profiles and "
	        "certificates</li>\n</ul>\n"
	        "<p>It cannot read your documents, mail, messages, photos or "
	        "browsing history through this enrolment.</p>\n"
	        "<h2>What {org} can do</h2>\n<ul>\n"
	        "<li>Install and remove settings and certificates</li>\n"
	        "<li><strong>Lock</strong> this Mac from a distance; a PIN "
	        "opens it again</li>\n"
	        "<li><strong>Erase</strong> this Mac from a distance, with "
	        "everything on it. This service does not erase a Mac with the "
	        "Apple T2 chip.</li>\n</ul>\n"
	        "<h2>What to do</h2>\n<ol>\n"
	        "<li>Press the button in Safari and allow the download. The "
	        "profile is made for this Mac alone and is good for {min} "
	        "minutes; after that, download it again." BUTTON(
	            "Download the enrolment profile") "</li>\n"
	        "<li>Open the list of profiles:\n<ul>\n"
	        "<li>macOS 15 or later: System Settings &gt; General &gt; "
	        "Device Management</li>\n"
	        "<li>macOS 13 and 14: System Settings &gt; Privacy &amp; "
	        "Security &gt; Profiles</li>\n"
	        "<li>Earlier: System Preferences &gt; Profiles</li>\n"
	        "</ul></li>\n"
	        "<li>Double-click the profile of {org}, press "
	        "<strong>Install</strong> or <strong>Enroll</strong>, and give "
	        "an administrator&#39;s password.</li>\n</ol>\n"
	        "<p>Removing the profile in the same place ends the "
	        "management.</p>\n",
	    .not_ready =
	        "<p class=\"lang\"><a href=\"/enroll?lang=ja\" lang=\"ja\" "
	        "hreflang=\"ja\">日本語</a></p>\n"
	        "<h1>Enrolment is not possible yet</h1>\n"
	        "<p>The server of {org} has no Apple push certificate, so it "
	        "could not reach this Mac after enrolment. Nothing was "
	        "changed on this Mac.</p>\n"
	        "<p>Please tell your administrator, and come back "
	        "later.</p>\n",
	},
	[ENROLL_JA] = {
	    .code = "ja",
	    .head = "<title>このMacの登録 - {org}</title>\n",
	    .ready =
	        "<p class=\"lang\"><a href=\"/enroll?lang=en\" lang=\"en\" "
	        "hreflang=\"en\">English</a></p>\n"
	        "<h1>このMacを{org}に登録します</h1>\n"
	        "<p>登録すると、このMacは{org}によって管理されます。"
	        "内容を確認してからボタンを押してください。</p>\n"
	        "<h2>{org}が確認できる情報</h2>\n<ul>\n"
	        "<li>機種、シリアル番号、コンピュータ名、macOSのバージョン"
	        "</li>\n"
	        "<li>FileVaultやファイアウォールなどのセキュリティの状態"
	        "</li>\n"
	        "<li>インストールされているアプリケーション、プロファイル、"
	        "証明書の名前</li>\n</ul>\n"
	        "<p>書類、メール、メッセージ、写真、閲覧履歴の内容が"
	        "この登録によって読まれることはありません。</p>\n"
	        "<h2>{org}が実行できる操作</h2>\n<ul>\n"
	        "<li>設定や証明書のインストールと削除</li>\n"
	        "<li>遠隔からの<strong>ロック</strong>"
	        "（解除にはPINが必要です）</li>\n"
	        "<li>遠隔からの<strong>消去</strong>"
	        "（このMacの全データが消去されます）。"
	        "Apple T2チップ搭載のMacは、このサービスでは消去されません。"
	        "</li>\n</ul>\n"
	        "<h2>登録の手順</h2>\n<ol>\n"
	        "<li>Safariで次のボタンを押し、ダウンロードを許可します。"
	        "プロファイルはこのMac専用で、有効期間は{min}分です。"
	        "期限を過ぎたときは、もう一度ダウンロードしてください。" BUTTON(
	            "登録プロファイルをダウンロード") "</li>\n"
	        "<li>プロファイルの一覧を開きます。\n<ul>\n"
	        "<li>macOS 15以降：システム設定 &gt; 一般 &gt; デバイス管理"
	        "</li>\n"
	        "<li>macOS 13、14：システム設定 &gt; プライバシーと"
	        "セキュリティ &gt; プロファイル</li>\n"
	        "<li>それ以前：システム環境設定 &gt; プロファイル</li>\n"
	        "</ul></li>\n"
	        "<li>{org}のプロファイルをダブルクリックし、"
	        "<strong>インストール</strong>または<strong>登録</strong>を"
	        "押して、管理者のパスワードを入力します。</li>\n</ol>\n"
	        "<p>同じ場所でプロファイルを削除すると、管理は終了します。"
	        "</p>\n",
	    .not_ready =
	        "<p class=\"lang\"><a href=\"/enroll?lang=en\" lang=\"en\" "
	        "hreflang=\"en\">English</a></p>\n"
	        "<h1>まだ登録できません</h1>\n"
	        "<p>{org}のサーバーにAppleのプッシュ証明書がないため、"
	        "登録後にこのMacと通信できません。"
	        "このMacには何も変更を加えていません。</p>\n"
	        "<p>管理者に連絡し、後でもう一度お試しください。</p>\n",
	},
};

static const char css[] =
    "body{margin:0;background:#f4f5f7;color:#1c1e21;"
    "font:16px/1.6 -apple-system,\"Hiragino Sans\",sans-serif}\n"
    "main{max-width:40rem;margin:2rem auto;padding:1rem 2rem 2rem;"
    "background:#fff;border-radius:12px}\n"
    "h1{font-size:1.6rem;line-height:1.3}\n"
    "h2{font-size:1.1rem;margin-top:1.8rem}\n"
    ".lang{text-align:right;margin:0}\n"
    "a{color:#0a58c2}\n"
    ".button{display:inline-block;padding:.7rem 1.4rem;border-radius:8px;"
    "background:#0a58c2;color:#fff;text-decoration:none;font-weight:600}\n"
    ".button:focus,.button:hover{background:#083f8c}\n"
    "@media (prefers-color-scheme:dark){body{background:#16181b;"
    "color:#e8eaed}main{background:#22252a}a{color:#8ab4f8}"
    ".button{background:#3b7ddd;color:#fff}}\n";

struct slice
enroll_page_css(void)
{
	return slice_of(css, sizeof(css) - 1);
}

/* Weight of one entry of Accept-Language, in thousandths; "q=" is absent: 1. */
static int
weight(const char *entry, size_t len)
{
	const char *q = memmem(entry, len, "q=", 2);
	double w = q == NULL ? 1 : strtod(q + 2, NULL);

	return w >= 0 && w <= 1 ? (int)(w * 1000) : 0;
}

/* "ja" and "ja-JP" are the language "ja". */
static bool
is_language(const char *entry, size_t len, const char *code)
{
	size_t n = strlen(code);

	return len >= n && strncasecmp(entry, code, n) == 0 &&
	       (len == n || strchr("-; \t", entry[n]) != NULL);
}

/* RFC 9110 12.5.4: the language of ours with the greatest weight; of equals
 * the one that was named first. */
static enum enroll_lang
accepted(const char *accept)
{
	enum enroll_lang best = ENROLL_EN;
	int most = 0;

	while (*accept != '\0') {
		const char *entry = accept + strspn(accept, " \t,");
		size_t len = strcspn(entry, ",");
		int w = weight(entry, len);

		for (size_t i = 0; i < COUNT(texts); i++)
			if (w > most &&
			    is_language(entry, len, texts[i].code)) {
				best = (enum enroll_lang)i;
				most = w;
			}
		accept = entry + len;
	}
	return best;
}

enum enroll_lang
enroll_page_lang(const char *asked, const char *accept)
{
	for (size_t i = 0; asked != NULL && i < COUNT(texts); i++)
		if (str_ieq(asked, texts[i].code))
			return (enum enroll_lang)i;
	return accept == NULL ? ENROLL_EN : accepted(accept);
}

/* Copies text with its placeholders filled in. */
static void
expand(struct buf *out, const char *text, const struct enroll_page *p)
{
	while (*text != '\0') {
		size_t plain = strcspn(text, "{");

		buf_add(out, text, plain);
		text += plain;
		if (str_starts(text, "{org}")) {
			xml_escape(out, p->organization);
			text += 5;
		} else if (str_starts(text, "{min}")) {
			buf_addf(out, "%lld", (long long)p->minutes);
			text += 5;
		} else if (*text != '\0') {
			buf_addc(out, *text++);
		}
	}
}

void
enroll_page_write(const struct enroll_page *p, struct buf *out)
{
	const struct page_text *t = &texts[p->lang];

	buf_addf(out, "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n", t->code);
	buf_adds(out,
	    "<meta charset=\"utf-8\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width\">\n");
	expand(out, t->head, p);
	buf_adds(out, "<link rel=\"stylesheet\" href=\"/enroll/style.css\">\n"
	              "</head>\n<body>\n<main>\n");
	expand(out, p->ready ? t->ready : t->not_ready, p);
	buf_adds(out, "</main>\n</body>\n</html>\n");
}
