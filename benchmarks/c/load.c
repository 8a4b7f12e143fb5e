/* Requests per second that a server answers, from a client too light to be in the way.
 *
 *     load PORT PATH CONNECTIONS SECONDS [RANGE]
 *
 * keeps one request under way on each connection (keep-alive, 127.0.0.1) and prints answers per second.
 * An answer is counted when it is whole, by Content-Length or by the last chunk; anything but success ends it. */

#define _GNU_SOURCE /* memmem */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 20 };

struct connection {
    int socket;
    size_t length;
    char *buffer;
};

static void fail(const char *what) {
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* 1 if the buffer holds a whole answer, 0 if more is to come. */
static int whole(const char *answer, size_t length) {
    const char *end = answer + length;
    const char *body = memmem(answer, length, "\r\n\r\n", 4);
    if (!body)
        return 0;
    if (length < 12 || (memcmp(answer + 9, "200", 3) != 0 && memcmp(answer + 9, "206", 3) != 0))
        fail("an answer was neither 200 nor 206");
    body += 4;
    for (const char *line = answer; line < body - 2;) {
        const char *next = memchr(line, '\n', (size_t)(body - line)) + 1;
        if (next - line > 15 && strncasecmp(line, "content-length:", 15) == 0)
            return (size_t)(end - body) >= strtoul(line + 15, NULL, 10);
        line = next;
    }
    for (;;) {
        const char *line = memchr(body, '\n', (size_t)(end - body));
        if (!line)
            return 0;
        size_t size = strtoul(body, NULL, 16);
        body = line + 1 + size + 2;
        if (body > end)
            return 0;
        if (size == 0)
            return 1;
    }
}

int main(int argc, char **argv) {
    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: load PORT PATH CONNECTIONS SECONDS [RANGE]\n");
        return 2;
    }
    int connections = atoi(argv[3]);
    double seconds = atof(argv[4]);
    char request[1024];
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n%s%s%s\r\n", argv[2], argv[1],
                        argc == 6 ? "Range: bytes=" : "", argc == 6 ? argv[5] : "", argc == 6 ? "\r\n" : "");
    if (size >= (int)sizeof request)
        fail("the path is too long");

    int poll = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < connections; i++) {
        struct connection *c = calloc(1, sizeof *c);
        if (!c || !(c->buffer = malloc(ROOM)))
            fail("no memory");
        c->socket = socket(AF_INET, SOCK_STREAM, 0);
        int one = 1;
        setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (connect(c->socket, (struct sockaddr *)&address, sizeof address) != 0)
            fail("cannot connect");
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poll, EPOLL_CTL_ADD, c->socket, &event);
        if (write(c->socket, request, (size_t)size) != size)
            fail("cannot send");
    }

    long answers = 0;
    double start = now(), stop = start + seconds;
    struct epoll_event events[64];
    while (now() < stop) {
        int ready = epoll_wait(poll, events, 64, 1000);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            ssize_t got = read(c->socket, c->buffer + c->length, ROOM - c->length);
            if (got <= 0)
                fail("the server closed a connection, or an answer is too long");
            c->length += (size_t)got;
            if (whole(c->buffer, c->length)) {
                answers++;
                c->length = 0;
                if (write(c->socket, request, (size_t)size) != size)
                    fail("cannot send");
            }
        }
    }
    printf("%.1f\n", (double)answers / (now() - start));
    return 0;
}
