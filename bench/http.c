#include "http.h"
#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD_SIZE = 4096 };

/* Fields that every browser and library sends. */
size_t http_request(char *out, size_t room, size_t size)
{
    return (size_t)snprintf(out, room,
                            "GET /body/%zu HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n"
                            "Accept-Encoding: gzip, deflate, br\r\n\r\n",
                            size);
}

/* The head of an answer is short, and every proxy writes it in one piece. Returns where its body begins. */
static const uint8_t *read_head(size_t size, const uint8_t *p, size_t n)
{
    char head[HEAD_SIZE];
    const uint8_t *end = memmem(p, n, "\r\n\r\n", 4);
    if (!end || (size_t)(end - p) >= sizeof head)
        die("the head of an answer came in pieces");
    memcpy(head, p, (size_t)(end - p));
    head[end - p] = 0;
    const char *length = strcasestr(head, "\r\ncontent-length:");
    if (strncmp(head, "HTTP/1.1 200 ", 13) != 0 || !length || strtoul(length + 17, NULL, 10) != size) {
        head[strcspn(head, "\r")] = 0;
        die("not the answer that was asked for: %s", head);
    }
    return end + 4;
}

unsigned http_answers(struct client *client, size_t size, const uint8_t *p, size_t n)
{
    unsigned done = 0;
    const uint8_t *end = p + n;
    while (p < end) {
        if (!client->in_body)
            p = read_head(size, p, (size_t)(end - p));
        client->in_body = true;
        size_t part = size - client->got < (size_t)(end - p) ? size - client->got : (size_t)(end - p);
        client->got += part;
        p += part;
        if (client->got == size) {
            client->got = 0;
            client->in_body = false;
            done++;
        }
    }
    return done;
}
