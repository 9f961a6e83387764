#include "berth/commands.h"
#include "berth/output.h"
namespace berth::cli {
int run_command(const Arguments&) {
  print_error("not yet");
  return 1;
}
int wast_command(const Arguments&) {
  print_error("not yet");
  return 1;
}
}  // namespace berth::cli
