/* A buffer whose size follows a curve: SHAPE=0 rises to HIGH MiB with the time constant TAU; 1 is a wave between LOW and HIGH
 * with the period TAU; 2 falls from HIGH to LOW with the time constant TAU. */
#include "pace.h"
#include <math.h>
#include <sys/mman.h>

int main(void) {
    int shape = setting("SHAPE", 0);
    double low = setting("LOW", 2), high = setting("HIGH", 24), tau = setting("TAU", 20);
    size_t most = 256 << 20, used = 0;
    char *buffer = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    while (next_request(20)) {
        double part = shape == 0 ? 1 - exp(-uptime() / tau)
            : shape == 1 ? (1 - cos(2 * M_PI * uptime() / tau)) / 2
                         : exp(-uptime() / tau);
        double noise = rand() % 100 / 1000.0;
        size_t wanted = (size_t)((low + (high - low) * part + noise) * 256) * 4096;
        if (wanted > used) memset(buffer + used, 1, wanted - used);
        else madvise(buffer + wanted, used - wanted, MADV_DONTNEED);
        used = wanted;
    }
}
