/* The messages that the generator sends: one payload, framed and masked beforehand, over and over.
 *
 * A client masks every frame with a fresh key (RFC 6455 §5.3); here a few frames, each with its own key, are sent in
 * turn. A proxy cannot tell, and the generator's time goes into traffic.
 */
#ifndef TRAIN_H
#define TRAIN_H

#include "options.h"
#include "wire.h"

struct train {
    uint8_t *plain; /* the payload */
    size_t size;
    uint8_t *bytes; /* the frames, twice over, so that any stretch of `length` bytes is in one piece */
    size_t length, frame;
    char key[KEY_TEXT], accept[ACCEPT_TEXT + 1];
};

/* The requests that a connection for HTTP sends, one after another. */
struct train train_of_requests(const struct options *options);

/* At least `least` bytes long, and long enough for all that is in flight on a connection (1 MiB at most). */
struct train train_make(const struct options *options, size_t least);

#endif
