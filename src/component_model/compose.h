// Components put together into one (component model, Linking: shared-nothing linking). Pure functions; any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "component_model/decoder.h"

namespace berth::component_model {

struct Part {
  const Component* component = nullptr;  // validated
  std::span<const u8> binary;            // of the same component
  std::string name;                      // for messages, and for the section of names
};

// Who got what of whom: `to`'s import is `from`'s export; both are numbers of parts.
struct Connection {
  size_t from = 0, to = 0;
  std::string import_name, export_name;
};
struct Composition {
  std::vector<u8> binary;
  std::vector<Connection> connections;
  std::vector<std::string> imports;  // of the whole: what no part provides
};

// Makes one component of `parts`, the last of which is the one that the others serve: an import is given the export
// of the nearest part before that exports something of its name, or a compatible version of the same interface. What
// no part provides is imported by the whole, once for all that ask for it, and what the last one exports is exported.
// Of two things that fit, the one of the same name comes before the one of another version.
//
// Errors: BadArgument for a part of which nothing is used; InvalidComponent for an import and an export whose types
// differ; NotSupported for imports that cannot be passed on (modules, components, instances inside of instances, and
// interfaces whose resources a part provides). The result is validated; `load` makes modules for that.
Result<Composition> compose(std::span<const Part> parts, const ModuleLoader& load);

}  // namespace berth::component_model
