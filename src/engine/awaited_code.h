// Native code that somebody else makes, outside of this process: a file that is there already, or appears.
#pragma once

#include <memory>
#include <string>

#include "engine/code_source.h"

namespace berth::engine {

// `path` is, or becomes, an artifact of the one module that is asked for; it appears complete. Whoever names it vouches
// for it. A file at `path` + ".failed" says that it never will, and in its text why. `make` waits for either; it fails
// with BadArtifact when what is there is of another module or does not fit this machine, and with CompilerFailed for
// the reason in the other file. Parts of modules are not made.
std::unique_ptr<CodeSource> make_awaited_source(std::string path, const CompilerOptions& options);

}  // namespace berth::engine
