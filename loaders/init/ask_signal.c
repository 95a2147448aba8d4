/* Askers by signal: any process that may signal the init, with no library and no socket. */
#include "init.h"

#include <signal.h>
#include <sys/signalfd.h>

/* The signal's value names the mechanism; its order is the protocol's. */
static const char *const mechanisms[] = {"any", "vmfork", "criu", "dmtcp", "exit-code"};

void ask_signal(struct init *init, const struct signalfd_siginfo *info, int64_t now)
{
	int value = info->ssi_code == SI_QUEUE ? info->ssi_int : 0;
	struct asker refused = {.kind = ASKER_SIGNAL, .pid = (pid_t)info->ssi_pid};
	/* Not from a process that the init can see: there would be nobody to answer. */
	if (info->ssi_pid == 0)
		return;
	if (value < 0 || (size_t)value >= sizeof mechanisms / sizeof mechanisms[0]) {
		asker_refuse(&refused, "unknown-mechanism");
		return;
	}
	struct asker *asker = askers_place(&init->askers, false);
	if (asker == NULL) {
		asker_refuse(&refused, "too-many-askers");
		return;
	}
	asker->kind = ASKER_SIGNAL;
	asker->pid = refused.pid;
	trigger_ask(init, asker, "signal", mechanisms[value], DEFAULT_LIMIT_MS, NULL, now);
}
