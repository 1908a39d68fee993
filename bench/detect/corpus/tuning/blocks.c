/* Every LOSE_EVERY seconds a block of BLOCK_BYTES is lost (0: never), written to or, with TOUCH=0, not; a table of SLOTS
 * blocks of random size is churned by each request. */
#include "pace.h"

char ballast[6 << 20]; /* not static: the compiler would leave it out */

int main(void) {
    double lose_every = setting("LOSE_EVERY", 0), rate = setting("RATE", 50);
    size_t block_bytes = setting("BLOCK_BYTES", 4096), slots = setting("SLOTS", 500);
    int touch = setting("TOUCH", 1);
    long lost = 0;
    char **table = calloc(slots, sizeof *table);
    memset(ballast, 1, sizeof ballast);
    while (next_request(rate)) {
        size_t slot = rand() % slots, bytes = 100 + rand() % 20000;
        free(table[slot]);
        table[slot] = memset(malloc(bytes), 1, bytes);
        for (; lose_every && lost < uptime() / lose_every; lost++) {
            char *volatile block = malloc(block_bytes);
            if (touch) memset(block, 1, block_bytes);
        }
    }
}
