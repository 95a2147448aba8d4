/*
 * Stands for VMware's vmware-rpctool in a played guest: asks the test vCenter's control port ($RPC_URL) what the
 * hypervisor would be asked. Exit code and streams are the real one's: 0 and the value, or 1 and the reason.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char text[200000];
	char path[200];
	unsigned port;
	const char *url = getenv("RPC_URL");
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (argc < 2 || url == NULL || sscanf(url, "http://127.0.0.1:%u%199s", &port, path) != 2)
		return 1;
	to.sin_port = htons((unsigned short)port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
		return 1;
	int length = snprintf(text, sizeof text, "POST %s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n%s", path, strlen(argv[1]), argv[1]);
	for (int at = 0; at < length;) {
		ssize_t sent = write(fd, text + at, (size_t)(length - at));
		if (sent <= 0)
			return 1;
		at += (int)sent;
	}
	length = 0;
	for (ssize_t got; (got = read(fd, text + length, sizeof text - 1 - (size_t)length)) > 0;)
		length += (int)got;
	text[length] = '\0';
	char *answer = strstr(text, "\r\n\r\n");
	if (answer == NULL || strlen(answer) < 6)
		return 1;
	FILE *to_whom = answer[4] == '1' ? stdout : stderr;
	fprintf(to_whom, "%s\n", answer + 6);
	return to_whom == stdout ? 0 : 1;
}
