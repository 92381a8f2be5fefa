/* A message of HTTP: a small GET request on a connection that is kept, and its answer, which has a Content-Length. */
#ifndef HTTP_H
#define HTTP_H

#include "client.h"

/* Write the request for a body of `size` bytes, with a terminating zero. Returns its length. */
size_t http_request(char *out, size_t room, size_t size);

/* Take n bytes of answers. Returns how many answers they complete. One that is not what was asked for ends the process. */
unsigned http_answers(struct client *client, size_t size, const uint8_t *p, size_t n);

#endif
