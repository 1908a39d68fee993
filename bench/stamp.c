// Prints CLOCK_MONOTONIC in nanoseconds as its first act. With arguments it then becomes that command:
//   stamp scupper run -- stamp    prints two times, before the exec of scupper and in main of the command.
#include <stdio.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  char line[40];
  int length = snprintf(line, sizeof line, "%lld\n", now.tv_sec * 1000000000LL + now.tv_nsec);
  if (write(1, line, length) != length) return 1;
  if (argc < 2) return 0;
  execvp(argv[1], argv + 1);
  perror(argv[1]);
  return 127;
}
