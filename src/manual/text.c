#include "manual/text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 70

static void put_char(char c, bool literal)
{
	static const struct {
		char c;
		const char *text;
		const char *literal;
	} rows[] = {
		{ '\\', "\\e", "\\e" },
		{ '-', "\\-", "\\-" },
		{ '~', "\\(ti", "\\(ti" },
		{ '^', "\\(ha", "\\(ha" },
		{ '\'', "'", "\\(aq" },
		{ '`', "\\(oq", "\\(ga" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (rows[i].c == c) {
			fputs(literal ? rows[i].literal : rows[i].text, stdout);
			return;
		}
	}
	putchar(c);
}

static void put(const char *text, size_t len, bool literal)
{
	if (len && (text[0] == '.' || text[0] == '\''))
		fputs("\\&", stdout);
	for (size_t i = 0; i < len; i++)
		put_char(text[i], literal);
}

void sr_text_prose(const char *text)
{
	size_t column = 0;
	while (*text) {
		size_t len = strcspn(text, " \n");
		if (column) {
			bool breaks = column + len > WIDTH;
			putchar(breaks ? '\n' : ' ');
			column = breaks ? 0 : column + 1;
		}
		put(text, len, false);
		column += len;
		bool ends = len && text[len - 1] == '.' && !(len >= 3 && text[len - 2] == '.');
		text += len + strspn(text + len, " \n");
		if (ends && isupper((unsigned char)*text)) {
			putchar('\n');
			column = 0;
		}
	}
	putchar('\n');
}

void sr_text_literal(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		put(text, len, true);
		putchar('\n');
		text += len + (text[len] == '\n');
	}
}

/* -- options ------------------------------------------------------------------------------------------------------ */
/* A word for a value; "SCOPE..." is a word and its repetition. */
static void put_value(const char *word, size_t len)
{
	size_t named = len > 3 && memcmp(word + len - 3, "...", 3) == 0 ? len - 3 : len;
	if (named && word[named - 1] == ',')
		named = len;
	fputs("Ar ", stdout);
	put(word, named, true);
	if (named < len)
		fputs(" ...", stdout);
}

void sr_text_option(const char *name, const char *arg)
{
	fputs("Fl \\-", stdout);
	put(name, strlen(name), true);
	if (!arg)
		return;
	putchar(' ');
	put_value(arg, strlen(arg));
}

static void put_word(const char *word, size_t len)
{
	if (len >= 2 && word[0] == '-' && word[1] == '-') {
		fputs("Fl \\-", stdout);
		put(word + 2, len - 2, true);
	} else if (len == 1 && word[0] == '|') {
		putchar('|');
	} else {
		put_value(word, len);
	}
}

void sr_text_words(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, " ");
		bool begins = text[0] == '{', ends = text[len - 1] == '}', optional = text[0] == '[';
		fputs(begins ? "Bro " : optional ? "Oo " : "", stdout);
		put_word(text + (begins || optional), len - (begins || optional) - (ends || optional));
		fputs(ends ? " Brc" : optional ? " Oc" : "", stdout);
		text += len + strspn(text + len, " ");
		if (*text)
			putchar(' ');
	}
}
