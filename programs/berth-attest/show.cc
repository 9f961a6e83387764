#include "attest/describe.h"
#include "berth-attest/commands.h"

namespace berth::attest {

int show_command(const cli::Arguments& arguments) {
  const auto evidence = read_evidence_file(arguments.operands().front());
  if (!evidence) return report(evidence.error());
  cli::Output out;
  if (arguments.has("--json")) {
    out << json::to_text(to_json(*evidence), 2) << "\n";
    return out.finish(0);
  }
  if (evidence->simulated()) out << "*** " << kSimulatedWarning << " ***\n";
  out << title_of(evidence->technology()) << ", as " << evidence->form << "; shown as it says, not verified\n";
  for (const Section& section : describe(*evidence)) {
    out << "\n" << section.title << "\n";
    size_t width = 0;
    for (const Field& field : section.fields) width = std::max(width, field.label.size());
    for (const Field& field : section.fields) {
      out << "  " << field.label << std::string(width - field.label.size() + 2, ' ') << printable(field.text) << "\n";
    }
  }
  return out.finish(0);
}

}  // namespace berth::attest
