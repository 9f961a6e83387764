// A small HTTP server for app.yaml: "/" gives the text in /etc/greeting/text and a number that grows, "/healthz" says ok,
// "/work" computes for a while. With `run.berth.drain` it finishes its work when it is told to end.
//
//   clang-19 --target=wasm32-wasi -O2 examples/kubernetes/greeter.c -o greeter.wasm
//   berth image build -t localhost/greeter:1 --listen 0.0.0.0:8080 greeter.wasm
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void say(int fd, const char* status, const char* text) {
  char out[600];
  const int n = snprintf(out, sizeof out, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status,
                         strlen(text), text);
  if (write(fd, out, (size_t)n) != n) fprintf(stderr, "the client went away\n");
}

static void greet(int fd, unsigned count) {
  char text[200] = "hello\n", out[300];
  FILE* file = fopen("/etc/greeting/text", "r");
  if (file) {
    if (!fgets(text, sizeof text, file)) strcpy(text, "hello\n");
    fclose(file);
  }
  text[strcspn(text, "\n")] = 0;
  const char* name = getenv("HOSTNAME");
  snprintf(out, sizeof out, "%s, says %s, %u\n", text, name ? name : "nobody", count);
  say(fd, "200 OK", out);
}

int main(void) {
  const char* number = getenv("BERTH_LISTEN_FD");
  const int listener = number ? atoi(number) : 3;
  puts("listening");
  fflush(stdout);
  for (unsigned count = 1;; ++count) {
    const int fd = accept(listener, NULL, NULL);
    if (fd < 0) break;
    char request[2048];
    const ssize_t n = read(fd, request, sizeof request - 1);
    request[n > 0 ? n : 0] = 0;
    if (!strncmp(request, "GET /healthz ", 13)) {
      say(fd, "200 OK", "ok\n");
    } else if (!strncmp(request, "GET /work ", 10)) {
      volatile unsigned sum = 0;
      for (unsigned i = 0; i < 100000000; ++i) sum += i;
      say(fd, "200 OK", "done\n");
    } else {
      greet(fd, count);
    }
    shutdown(fd, SHUT_RDWR);
    close(fd);
  }
  puts("drained");
  return 0;
}
