/* What the init says to its monitor: one thing at a time, tried again for a while where it cannot be said. */
#include "init.h"

#include <string.h>

#include "clock.h"

#define RETRY_MS 100

static void choose(struct init *init, int64_t now)
{
	struct line_writer line;
	const char *word = NULL;
	if (init->say_started) {
		init->saying = SAYING_STARTED;
		word = "STARTED";
	} else if (init->say_ready) {
		init->saying = SAYING_READY;
		line = init->ready;
	} else if (init->trigger.active && !init->trigger.sent) {
		init->saying = SAYING_TRIGGER;
		line = init->trigger.line;
	} else if (init->doorbell) {
		init->saying = SAYING_FETCH;
		word = "FETCH";
	} else
		return;
	if (word != NULL) {
		line_begin(&line, word);
		line_add_number(&line, "v", 1);
		line_add(&line, "inc", init->identity.incarnation);
		if (init->saying == SAYING_STARTED)
			line_add_number(&line, "pid", init->task);
		line_end(&line, GUEST_BYTES);
	}
	relay_start(&init->relay, line.text, line.length, now);
}

static void said(struct init *init)
{
	init->first_try = init->next_try = -1;
	switch (init->saying) {
	case SAYING_STARTED:
		init->say_started = false;
		break;
	case SAYING_READY:
		init->say_ready = false;
		break;
	case SAYING_TRIGGER:
		init->trigger.sent = true;
		break;
	default:
		break;
	}
	init->saying = SAYING_NOTHING;
}

/* It could not be said in all the time there is. */
static void give_up(struct init *init, const char *reason)
{
	if (init->saying == SAYING_TRIGGER)
		trigger_failed(init, reason);
	/* Answers stay with the monitor, which will ring again. */
	init->doorbell = false;
	said(init);
}

static void failed(struct init *init, int64_t now)
{
	if (init->first_try < 0)
		init->first_try = now;
	if (now - init->first_try >= PATIENCE_MS) {
		give_up(init, "relay-unreachable");
		return;
	}
	init->next_try = now + RETRY_MS;
	init->saying = SAYING_NOTHING;
}

static void replied(struct init *init, int64_t now)
{
	static struct line reply;
	if (!line_decode(&reply, init->relay.in, init->relay.in_length - 1)) {
		failed(init, now);
		return;
	}
	const char *reason = line_value(&reply, "reason");
	if (strcmp(reply.word, "ERR") == 0) {
		/* The monitor of a restored copy learns a moment later who its init is. */
		if (reason != NULL && strcmp(reason, "not-init") == 0)
			failed(init, now);
		else
			give_up(init, reason != NULL ? reason : "refused");
	} else if (init->saying == SAYING_FETCH && strcmp(reply.word, "ANSWER") == 0) {
		said(init);
		trigger_answered(init, &reply);
	} else {
		if (init->saying == SAYING_FETCH)
			init->doorbell = false;
		said(init);
	}
}

void conversation_step(struct init *init, int64_t now)
{
	struct relay *relay = &init->relay;
	if (relay->path == NULL)
		return;
	for (;;) {
		if (relay->state == RELAY_SENDING || relay->state == RELAY_WAITING)
			relay_step(relay, now);
		if (relay->state == RELAY_SENDING || relay->state == RELAY_WAITING)
			return;
		enum relay_state ended = relay->state;
		relay->state = RELAY_IDLE;
		if (ended == RELAY_DONE)
			replied(init, now);
		else if (ended == RELAY_FAILED)
			failed(init, now);
		if (init->next_try >= 0 && now < init->next_try)
			return;
		choose(init, now);
		if (relay->state == RELAY_IDLE)
			return;
	}
}

int64_t conversation_next(const struct init *init)
{
	if (init->relay.state == RELAY_SENDING || init->relay.state == RELAY_WAITING)
		return init->relay.deadline;
	return init->next_try;
}
