// Evidence field by field, for people and for programs. Pure.
#pragma once

#include <string>
#include <vector>

#include "attest/evidence.h"
#include "json/json.h"

namespace berth::attest {

struct Field {
  std::string key;    // for programs: "guest_svn"
  std::string label;  // for people: "guest's security version"
  std::string text;   // may have several lines
  json::Value value;
};

struct Section {
  std::string title;
  std::vector<Field> fields;
};

std::vector<Section> describe(const Evidence& evidence);
// One object: "technology", "form", and every field by its key.
json::Value to_json(const Evidence& evidence);

}  // namespace berth::attest
