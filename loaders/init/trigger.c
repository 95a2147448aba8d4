/* The one trigger under way: begun by the first asker, joined by those who ask for the same, answered for all. */
#include "init.h"

#include <stdio.h>
#include <string.h>

static bool compose(struct init *init, const struct asker *asker, const char *from, int64_t limit_ms, const struct line *labels)
{
	struct trigger *trigger = &init->trigger;
	struct line_writer *line = &trigger->line;
	line_begin(line, "TRIGGER");
	line_add_number(line, "v", 1);
	line_add(line, "inc", init->identity.incarnation);
	line_add_number(line, "seq", trigger->seq + 1);
	line_add(line, "mech", trigger->mechanism);
	line_add_number(line, "timeout-ms", limit_ms);
	line_add(line, "from", from);
	line_add_number(line, "pid", asker->pid);
	for (size_t i = 0; labels != NULL && i < labels->count; i++)
		if (strncmp(labels->fields[i].key, "label.", 6) == 0 && labels->fields[i].key[6] != '\0')
			line_add(line, labels->fields[i].key, labels->fields[i].value);
	return line_end(line, GUEST_BYTES);
}

void trigger_ask(struct init *init, struct asker *asker, const char *from, const char *mechanism, int64_t limit_ms,
		 const struct line *labels, int64_t now)
{
	struct trigger *trigger = &init->trigger;
	asker->deadline = now + limit_ms;
	/* Its own time is up and nobody waits for it any more: the service has forgotten it. */
	if (trigger->active && now >= trigger->deadline && init->saying != SAYING_TRIGGER)
		trigger->active = false;
	if (trigger->active) {
		if (strcmp(mechanism, "any") != 0 && strcmp(mechanism, trigger->mechanism) != 0)
			asker_refuse(asker, "busy");
		return;
	}
	if (init->relay.path == NULL) {
		asker_refuse(asker, "no-relay");
		return;
	}
	snprintf(trigger->mechanism, sizeof trigger->mechanism, "%s", mechanism);
	if (!compose(init, asker, from, limit_ms, labels)) {
		asker_refuse(asker, "too-long");
		return;
	}
	trigger->seq++;
	trigger->deadline = now + limit_ms;
	trigger->active = true;
	trigger->sent = false;
}

/* Answers everyone, and remembers it for who lost the answer. */
static void answer_all(struct init *init, const struct answer *answer)
{
	struct last_answer *last = &init->last;
	snprintf(last->result, sizeof last->result, "%s", answer->result);
	snprintf(last->crid, sizeof last->crid, "%s", answer->crid != NULL ? answer->crid : "");
	snprintf(last->reason, sizeof last->reason, "%s", answer->reason != NULL ? answer->reason : "");
	last->value = answer->value;
	last->code = answer->code;
	init->trigger.active = false;
	askers_answer_all(&init->askers, answer);
}

void trigger_ask_again(struct init *init, struct asker *asker, int64_t now)
{
	const struct last_answer *last = &init->last;
	if (init->trigger.active) {
		asker->deadline = now + DEFAULT_LIMIT_MS;
		asker->kind = ASKER_SOCKET_WAITING;
	} else if (last->result[0] != '\0') {
		asker_answer(asker, &(struct answer){
					    .result = last->result,
					    .crid = last->crid[0] != '\0' ? last->crid : NULL,
					    .reason = last->reason[0] != '\0' ? last->reason : NULL,
					    .value = last->value,
					    .code = last->code,
				    });
	} else if (init->options.restored != NULL) {
		asker_answer(asker, &(struct answer){.result = "restored", .crid = init->options.restored, .value = 0, .code = -1});
	} else {
		asker_refuse(asker, "nothing-asked");
	}
}

void trigger_failed(struct init *init, const char *reason)
{
	answer_all(init, &(struct answer){.result = "error", .reason = reason, .value = -1, .code = -1});
}

/* This is a copy: a new identity first, then the answer to everyone who was waiting when the image was taken. */
static void become_copy(struct init *init, const struct line *line)
{
	char missed[64];
	const char *generation = line_value(line, "gen"), *seed = line_value(line, "seed");
	identity_apply(line, missed, sizeof missed);
	identity_draw(&init->identity, seed != NULL ? seed : generation);
	init->trigger.seq = 0;
	init->say_started = false;
	answer_all(init,
			  &(struct answer){.result = "restored", .crid = line_value(line, "crid"), .value = 0, .code = -1});

	line_begin(&init->ready, "READY");
	line_add_number(&init->ready, "v", 1);
	line_add(&init->ready, "inc", init->identity.incarnation);
	line_add(&init->ready, "gen", generation != NULL ? generation : "");
	if (missed[0] != '\0')
		line_add(&init->ready, "missed", missed);
	init->say_ready = line_end(&init->ready, GUEST_BYTES);
}

void trigger_answered(struct init *init, const struct line *line)
{
	const char *incarnation = line_value(line, "inc"), *result = line_value(line, "result");
	long long seq, value = 0, code = init->options.checkpoint_exit;
	/* What was meant for another incarnation, or said twice, means nobody here. */
	if (incarnation == NULL || strcmp(incarnation, init->identity.incarnation) != 0 || result == NULL)
		return;
	if (strcmp(result, "restored") == 0) {
		become_copy(init, line);
		return;
	}
	if (!init->trigger.active || !line_number(line, "seq", 1, init->trigger.seq, &seq) || seq != init->trigger.seq)
		return;
	struct answer answer = {.result = result, .crid = line_value(line, "crid"), .reason = line_value(line, "reason"), .code = -1};
	if (strcmp(result, "id") == 0) {
		line_number(line, "value", 1, 2147483647, &value);
		answer.value = value > 0 ? (int)value : 1;
	} else if (strcmp(result, "exit") == 0) {
		line_number(line, "code", 0, 255, &code);
		answer.value = -2;
		answer.code = (int)code;
	} else {
		answer.result = "error";
		answer.value = -1;
	}
	answer_all(init, &answer);
}
