// Components as text (component model, Explainer: the text format). Pure functions: any number of threads may print
// at once.
//
// What is printed parses back to the same binary, apart from what the text format has no words for: encodings longer
// than they need be, one section where there were several of a kind, and what is said of text/printer.h for modules.
#pragma once

#include <string>

#include "base/result.h"
#include "component_model/component.h"
#include "text/printer.h"

namespace berth::component_model {

// Prints a decoded component, validated or not, with everything inside it. Names of its `component-name` section
// become identifiers; the section itself is printed too. Fails as text::print_module does.
Result<std::string> print_component(const Component& component, const text::PrintOptions& options = {});

}  // namespace berth::component_model
