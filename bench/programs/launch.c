// Times whole processes: launch ROUNDS PROGRAM ARG… -- PROGRAM ARG… prints, for each command, the median
// of microseconds from before the process is made until it has ended. Commands take turns. What they
// print goes nowhere.

#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kMostCommands = 8 };

extern char** environ;

static int compare(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static double launch(char** command) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const double start = now();
  pid_t child;
  int status = 0;
  if (posix_spawn(&child, command[0], &actions, NULL, command, environ) != 0 ||
      waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fprintf(stderr, "%s did not run to its end (status %d)\n", command[0], status);
    exit(1);
  }
  const double taken = now() - start;
  posix_spawn_file_actions_destroy(&actions);
  return taken;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const int rounds = atoi(argv[1]);
  char** commands[kMostCommands] = {&argv[2]};
  int count = 1;
  for (int i = 2; i < argc; ++i) {
    if (strcmp(argv[i], "--") != 0) continue;
    argv[i] = NULL;
    if (count == kMostCommands || i + 1 == argc) return 2;
    commands[count++] = &argv[i + 1];
  }
  double* times = malloc(sizeof(double) * (size_t)(rounds * count));
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < count; ++i) times[i * rounds + round] = launch(commands[i]);
  }
  for (int i = 0; i < count; ++i) {
    qsort(times + i * rounds, (size_t)rounds, sizeof(double), compare);
    printf("%.1f\n", times[i * rounds + rounds / 2]);
  }
  free(times);
  return 0;
}
