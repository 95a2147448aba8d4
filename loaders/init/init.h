#ifndef PORTLAYER_INIT_H
#define PORTLAYER_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "line.h"
#include "protocol.h"

/* The modified init: what it was asked to do, and the parts it is made of. Nothing is allocated while it runs. */

#define OPERATIONS_MAX 1024

/* One set-up operation, as given: `--bind SRC DST` is {"--bind", {SRC, DST}}. */
struct operation {
	const char *name;
	char *const *arguments;
};

#define LIBRARIES_MAX 8

/* What a preloaded library asks of the container that it is brought into; checked where the container itself sees it. */
struct task_needs {
	const char *program; /* must be dynamically linked with glibc; NULL: nothing is checked */
	const char *glibc;   /* a version of its symbols that libc must have: `2.34` */
	/* Libraries by name, each with a directory that has it, to be looked in only where no usual one does. */
	struct {
		const char *name, *directory;
	} libraries[LIBRARIES_MAX];
	size_t library_count;
};

struct init_options {
	const char *relay, *relay_early, *socket, *cwd, *hostname;
	const char *netns; /* `stage` only: a network namespace to be made on this file */
	const char *env_prefix; /* see environment_take(); NULL: the environment as it is */
	long long uid, gid; /* -1: as they are */
	bool wait_all, drop_capabilities, loopback_up;
	bool quick_loopback; /* `stage` only, with netns: see loopback_quicken() */
	bool keeper;         /* see keeper_stand() */
	const char *askers_file; /* the pids that wait for an answer by signal, joined by `+`, kept up to date in this file */
	const char *companion;   /* the beginning of the name of a process that must not end before the task */
	const char *restored;    /* the task was brought back from this checkpoint by something that does not know this init */
	struct task_needs needs;
	int checkpoint_exit;
	struct operation operations[OPERATIONS_MAX];
	size_t operation_count;
	char **argv;
};

/* --- init_options.c --- */

/* Reads the command line; NULL, or what is wrong with it. */
const char *init_options_parse(int argc, char **argv, struct init_options *options);

/* --- setup.c --- */

struct setup_failure {
	const char *what; /* `mount`, `mkdir`, … as in a FAILED line */
	int number;       /* errno */
	char text[256];
};

/* How many arguments a set-up option takes; -1 where there is no such option. */
int setup_arguments(const char *name);
/* Carries the operations out in their order. */
bool setup_run(const struct init_options *options, struct setup_failure *failure);

/* --- task.c --- */

/* Starts the task. Its pid, or -1 with the reason. */
pid_t task_start(const struct init_options *options, struct setup_failure *failure);

/* --- keeper.c --- */

/*
 * Puts a process between PID 1 and the task, and returns in the task: DMTCP brings back a process whose parent was
 * PID 1 as a grandchild, whose exit status nobody gets. `report` is closed in what stays. -1 and errno.
 */
int keeper_stand(int report);

/* --- task_needs.c --- */

/* False, with the reason in words in `why`, where the container lacks something. Completes LD_LIBRARY_PATH. */
bool task_needs_met(const struct task_needs *needs, char *why, size_t why_size);

/* --- become.c: what the process that will be a task, or a command beside it, takes on --- */

/*
 * The task's environment, which must have no say in what runs before the task, comes under other names: each entry
 * begins with `prefix`, which is taken away. What does not begin with it is dropped.
 */
void environment_take(const char *prefix);
/* The user, the group and the capabilities that the options name; NULL, or what could not be done, with errno. */
const char *credentials_take(const struct init_options *options);

/* --- self.c --- */

/* Executes this program again, with `argv` (its own), where its file could be written to from inside; else returns. */
void self_protect(char *const *argv);

/* --- netns.c --- */

bool loopback_raise(void);
/* Makes a network namespace, loopback up, and mounts it on the file `path`; the caller stays in its own. NULL, or what could not be done, with errno. */
const char *netns_make(const char *path, bool quick);
/* Has the loopback acknowledge at once: a small message and its answer take 40 ms else (Nagle waits for the acknowledgement). */
bool loopback_quicken(void);

/* --- capabilities.c --- */

/* Gives up all but docker's default capabilities: the bounding set, to be done while CAP_SETPCAP is held. */
bool capabilities_bound(void);
/* The sets of this process, and no new privileges by executing; after the change of user. */
bool capabilities_drop(void);

/* --- relay.c: one line up, one line down, over a connection of its own --- */

enum relay_state { RELAY_IDLE, RELAY_SENDING, RELAY_WAITING, RELAY_DONE, RELAY_FAILED };

struct relay {
	const char *path;
	enum relay_state state;
	int fd; /* open only while something is being said: a dump must find no connection */
	int64_t deadline;
	char out[LINE_BYTES], in[LINE_BYTES];
	size_t out_length, out_sent, in_length;
};

void relay_start(struct relay *relay, const char *text, size_t length, int64_t now);
/* Goes on with what is under way, as far as it goes without blocking. */
void relay_step(struct relay *relay, int64_t now);
/* Says one line and waits for the reply: only before the task runs and after it ended. False where there was none. */
bool relay_say(const char *path, const struct line_writer *line, struct line *reply);

/* --- identity.c --- */

struct identity {
	char incarnation[17];
};

/* Draws a new incarnation; `salt` tells copies of one machine apart whose random pools are alike. */
void identity_draw(struct identity *identity, const char *salt);
/* Takes on what a `restored` answer says; the parts that could not be, joined by `+`, in `missed`. */
void identity_apply(const struct line *answer, char *missed, size_t missed_size);

/* --- askers.c --- */

enum asker_kind { ASKER_NONE, ASKER_SIGNAL, ASKER_SOCKET_READING, ASKER_SOCKET_WAITING };

struct asker {
	enum asker_kind kind;
	pid_t pid;
	int fd;
	int64_t deadline;
	size_t length;
	char text[LINE_BYTES];
};

/* What one asker is told. NULL where there is nothing to tell. */
struct answer {
	const char *result; /* `id`, `restored`, `exit`, `error`, `again` */
	const char *crid, *reason;
	int value, code;
};

/* As many as may wait, and as many again that have connected and not yet said what they want. */
#define ASKER_PLACES (2 * ASKERS_MAX)

struct askers {
	struct asker table[ASKER_PLACES];
};

/* A free place for one who waits, or only reads yet; NULL when ASKERS_MAX do so. */
struct asker *askers_place(struct askers *askers, bool reading);
/* Whether one more may wait. */
bool askers_room(const struct askers *askers);
void asker_answer(struct asker *asker, const struct answer *answer);
void asker_refuse(struct asker *asker, const char *reason);
/* Answers everyone who waits for the trigger. */
void askers_answer_all(struct askers *askers, const struct answer *answer);
/* The pids of those who wait for a signal, joined by `+`. */
void askers_list(const struct askers *askers, char *text, size_t size);
/* Drops who was silent and refuses whose time is up; the next deadline, or -1. */
int64_t askers_expire(struct askers *askers, int64_t now);

/* --- trigger.c: the one trigger under way --- */

struct trigger {
	bool active, sent;
	long long seq;
	int64_t deadline; /* after it, a new asker begins a new trigger */
	char mechanism[33];
	struct line_writer line;
};

/* The answer to the trigger before, for who asks again. Empty where there was none. */
struct last_answer {
	char result[16], crid[33], reason[256];
	int value, code;
};

/* --- the init as a whole (init.c, init_loop.c) --- */

struct init {
	struct init_options options;
	struct identity identity;
	struct askers askers;
	char askers_text[ASKERS_MAX * 8]; /* as the file has it */
	struct trigger trigger;
	struct last_answer last;
	struct relay relay;
	/* What is to be said, in the order in which it is said. */
	bool say_started, say_ready, doorbell;
	enum { SAYING_NOTHING, SAYING_STARTED, SAYING_READY, SAYING_TRIGGER, SAYING_FETCH } saying;
	int64_t first_try, next_try; /* of what cannot be said at once; -1 */
	struct line_writer ready;
	int listener, signals;
	pid_t task, parent;
	bool alone; /* PID 1 of its own pid namespace */
	bool task_ended;
	int task_status, orphan_status; /* waitpid()'s */
	char lost[160]; /* how the companion ended, if it did */
};

/* Takes one asker in: it joins the trigger under way, or begins one, or is refused. `line` is NULL for a signal. */
void trigger_ask(struct init *init, struct asker *asker, const char *from, const char *mechanism, int64_t limit_ms,
		 const struct line *labels, int64_t now);
/* Takes in one who asked before and lost the answer: what became of that. */
void trigger_ask_again(struct init *init, struct asker *asker, int64_t now);
/* Takes an ANSWER line that was fetched. */
void trigger_answered(struct init *init, const struct line *answer);
void trigger_failed(struct init *init, const char *reason);

/* --- conversation.c: what the init says to its monitor, one thing at a time --- */

void conversation_step(struct init *init, int64_t now);
int64_t conversation_next(const struct init *init);

/* --- ask_socket.c --- */

void ask_socket_accept(struct init *init, int64_t now);
void ask_socket_ready(struct init *init, struct asker *asker, int64_t now);

/* --- ask_signal.c --- */

struct signalfd_siginfo;
void ask_signal(struct init *init, const struct signalfd_siginfo *info, int64_t now);

/* --- init_loop.c --- */

/* Runs until the task (or, where asked, everything) has ended. */
void init_loop(struct init *init);

#endif
