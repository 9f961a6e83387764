// Instantiation of components (component model, Explainer: instance definitions). Private to this library;
// the store's thread.
#pragma once

#include <functional>

#include "component/state.h"

namespace berth::component {

using ImportFinder = std::function<const Item*(const std::string& name)>;

// Instantiates with what `find` gives for each import, which is of the import's type.
std::expected<InstanceState*, runtime::InstantiationFailure> instantiate(StoreState& store,
                                                                         const PreparedComponent& component,
                                                                         InstanceState* parent, InstanceState* outer,
                                                                         const ImportFinder& find);

}  // namespace berth::component
