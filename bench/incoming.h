/* What comes back: parsed, and compared with what was sent. */
#ifndef INCOMING_H
#define INCOMING_H

#include "client.h"
#include "train.h"

/* Take n bytes that a connection received. Returns how many messages they complete. An echo that differs from what was
 * sent ends the process: its speed would mean nothing. */
unsigned incoming(struct client *client, const struct options *o, const struct train *train, const uint8_t *p, size_t n);

#endif
