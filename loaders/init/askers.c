/* Those who wait for an answer: a fixed table of processes that sent a signal and of socket connections. */
#include "init.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

static size_t count(const struct askers *askers, bool reading)
{
	size_t found = 0;
	for (size_t i = 0; i < ASKER_PLACES; i++)
		if (askers->table[i].kind != ASKER_NONE)
			found += (askers->table[i].kind == ASKER_SOCKET_READING) == reading;
	return found;
}

bool askers_room(const struct askers *askers)
{
	return count(askers, false) < ASKERS_MAX;
}

struct asker *askers_place(struct askers *askers, bool reading)
{
	/* Counted apart, so that those who only hold connections open keep no one from asking. */
	if (count(askers, reading) >= ASKERS_MAX)
		return NULL;
	for (size_t i = 0; i < ASKER_PLACES; i++)
		if (askers->table[i].kind == ASKER_NONE)
			return &askers->table[i];
	return NULL;
}

static void answer_by_line(int fd, const struct answer *answer)
{
	struct line_writer line;
	line_begin(&line, "ANSWER");
	line_add(&line, "result", answer->result);
	line_add_number(&line, "value", answer->value);
	if (answer->crid != NULL)
		line_add(&line, "crid", answer->crid);
	if (answer->code >= 0)
		line_add_number(&line, "code", answer->code);
	if (answer->reason != NULL)
		line_add(&line, "reason", answer->reason);
	/* A reason too long for one line is left out rather than the answer. */
	if (!line_end(&line, LINE_BYTES)) {
		struct answer shorter = *answer;
		shorter.reason = NULL;
		answer_by_line(fd, &shorter);
		return;
	}
	/* One line fits any socket's buffer; who has closed gets nothing. */
	send(fd, line.text, line.length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void asker_answer(struct asker *asker, const struct answer *answer)
{
	if (asker->kind == ASKER_SIGNAL) {
		sigqueue(asker->pid, SIGNAL_ANSWER, (union sigval){.sival_int = answer->value});
	} else if (asker->kind != ASKER_NONE) {
		if (answer != NULL)
			answer_by_line(asker->fd, answer);
		close(asker->fd);
	}
	asker->kind = ASKER_NONE;
}

void asker_refuse(struct asker *asker, const char *reason)
{
	asker_answer(asker, &(struct answer){.result = "error", .reason = reason, .value = -1, .code = -1});
}

void askers_answer_all(struct askers *askers, const struct answer *answer)
{
	for (size_t i = 0; i < ASKER_PLACES; i++)
		if (askers->table[i].kind == ASKER_SIGNAL || askers->table[i].kind == ASKER_SOCKET_WAITING)
			asker_answer(&askers->table[i], answer);
}

void askers_list(const struct askers *askers, char *text, size_t size)
{
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < ASKER_PLACES && used + 12 < size; i++)
		if (askers->table[i].kind == ASKER_SIGNAL)
			used += (size_t)snprintf(text + used, size - used, "%s%d", used > 0 ? "+" : "", askers->table[i].pid);
}

int64_t askers_expire(struct askers *askers, int64_t now)
{
	int64_t next = -1;
	for (size_t i = 0; i < ASKER_PLACES; i++) {
		struct asker *asker = &askers->table[i];
		if (asker->kind == ASKER_NONE)
			continue;
		if (now < asker->deadline)
			next = clock_earlier(next, asker->deadline);
		else
			asker_refuse(asker, "timeout");
	}
	return next;
}
