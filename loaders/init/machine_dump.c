/*
 * The receiving end of a dump: takes QEMU's stream and has it split. Held by the bridge, which lives as long as QEMU
 * does, not by the service or by the splitter: QEMU 7.2 does not lift the write protection of a live dump whose stream
 * breaks, and the guest then stands still for good. So a stream that cannot be written is read to its end all the same.
 *
 *   DUMP tab SOCKET tab RAM-FILE tab STATE-FILE      the service's order, on a connection that stays open
 *   A listening                                      QEMU may be sent to SOCKET
 *   A done | A failed CODE REASON                    the splitter has ended; CODE is 28 where there is no room
 */
#include "machine.h"
#include "machine_host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"
#include "protocol.h"
#include "unix_socket.h"

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void answer(struct machine_dump *dump, const char *text)
{
	if (dump->order >= 0)
		port_say(dump->order, "A", text);
}

void machine_dump_none(struct machine_dump *dump)
{
	*dump = (struct machine_dump){.listener = -1, .stream = -1, .order = -1, .reasons = -1};
}

static void stop_listening(struct machine_dump *dump)
{
	shut(&dump->listener);
	if (dump->text[0] != '\0')
		unlink(dump->socket);
}

void machine_dump_begin(struct machine_dump *dump, const char *text, int order)
{
	if (dump->stream >= 0 || dump->worker > 0) {
		port_say(order, "A", "failed 1 another dump is under way");
		close(order);
		return;
	}
	stop_listening(dump);
	shut(&dump->order);
	dump->order = order;
	snprintf(dump->text, sizeof dump->text, "%s", text);
	char *rest = dump->text;
	dump->socket = strsep(&rest, "\t");
	dump->ram = strsep(&rest, "\t");
	dump->state = rest;
	if (dump->state != NULL)
		dump->listener = unix_listen(dump->socket, 0666, 1);
	if (dump->listener < 0) {
		answer(dump, "failed 1 it cannot be listened for");
		shut(&dump->order);
		return;
	}
	answer(dump, "listening");
}

/* The service has hung up: it wants no dump any more, if none has begun. One that has goes to its end. */
void machine_dump_order_closed(struct machine_dump *dump)
{
	shut(&dump->order);
	stop_listening(dump);
}

static _Noreturn void become_splitter(struct machine_dump *dump, int reasons)
{
	int in = fcntl(dump->stream, F_DUPFD, 20), out = fcntl(reasons, F_DUPFD, 20);
	sigset_t none;
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	syscall(SYS_close_range, 3, ~0U, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execl("/proc/self/exe", "portlayer-init", "split", dump->ram, dump->state, "running", (char *)NULL);
	_exit(127);
}

void machine_dump_accept(struct machine_dump *dump)
{
	int reasons[2];
	dump->stream = accept4(dump->listener, NULL, NULL, SOCK_CLOEXEC);
	if (dump->stream < 0)
		return;
	stop_listening(dump);
	if (pipe2(reasons, O_CLOEXEC | O_NONBLOCK) == 0) {
		dump->worker = fork();
		if (dump->worker == 0)
			become_splitter(dump, reasons[1]);
		close(reasons[1]);
		dump->reasons = reasons[0];
	}
	if (dump->worker <= 0)
		machine_dump_ended(dump, 1 << 8);
}

void machine_dump_ended(struct machine_dump *dump, int status)
{
	char text[sizeof dump->reason + 40];
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	dump->worker = 0;
	ssize_t got = dump->reasons >= 0 ? read(dump->reasons, dump->reason, sizeof dump->reason - 1) : 0;
	dump->reason[got > 0 ? got : 0] = '\0';
	dump->reason[strcspn(dump->reason, "\n")] = '\0';
	shut(&dump->reasons);
	if (code == 0)
		shut(&dump->stream);
	else
		dump->draining = true;
	snprintf(text, sizeof text, "failed %d %s", code, dump->reason);
	answer(dump, code == 0 ? "done" : text);
	shut(&dump->order);
}

/* What nobody wants: read, so that QEMU comes to its end. */
void machine_dump_drain(struct machine_dump *dump)
{
	static char buffer[1 << 18];
	ssize_t got = read(dump->stream, buffer, sizeof buffer);
	if (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN)))
		return;
	shut(&dump->stream);
	dump->draining = false;
}
