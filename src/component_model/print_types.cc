#include "component_model/component_printer.h"

namespace berth::component_model {

using wasm::ExternKind;

// --- what is imported and exported

void ComponentPrinter::desc(const ExternDesc& d, bool defines) {
  static constexpr Space kSpaceOf[] = {Space::CoreModule, Space::Func,      Space::Value,
                                       Space::Type,       Space::Component, Space::Instance};
  const Space space = kSpaceOf[static_cast<size_t>(d.sort)];
  out_ += std::string("(") + to_string(space);
  if (defines) define(space);
  out_ += ' ';
  if (d.sort == Sort::Type && d.is_resource) {
    out_ += "(sub resource)";
  } else if (d.sort == Sort::Type) {
    out_ += "(eq ";
    index(Space::Type, d.type);
    out_ += ')';
  } else {
    type_index(d.sort == Sort::CoreModule ? Space::CoreType : Space::Type, d.type);
  }
  out_ += ')';
}

// --- types of components

void ComponentPrinter::value_type(const TypeUse& use) {
  if (use.primitive) {
    out_ += to_string(*use.primitive);
  } else {
    index(Space::Type, use.index);
  }
}

void ComponentPrinter::value(const TypeDef& d) {
  if (is_primitive(d.value)) {
    out_ += to_string(d.value);
    return;
  }
  out_ += std::string("(") + to_string(d.value);
  const auto part = [&](const std::optional<TypeUse>& use) {
    if (!use) return;
    out_ += ' ';
    value_type(*use);
  };
  switch (d.value) {
    case TypeKind::Record:
    case TypeKind::Variant:
      for (const LabeledType& item : d.items) {
        out_ += d.value == TypeKind::Record ? " (field " : " (case ";
        literal(item.label);
        part(item.type);
        out_ += ')';
      }
      break;
    case TypeKind::Tuple:
      for (const LabeledType& item : d.items) part(item.type);
      break;
    case TypeKind::Flags:
    case TypeKind::Enum:
      for (const LabeledType& item : d.items) {
        out_ += ' ';
        literal(item.label);
      }
      break;
    case TypeKind::Result:
      part(d.first);
      if (d.second) {
        out_ += " (error ";
        value_type(*d.second);
        out_ += ')';
      }
      break;
    case TypeKind::Own:
    case TypeKind::Borrow:
      out_ += ' ';
      index(Space::Type, d.resource);
      break;
    default:
      part(d.first);
      part(d.second);
      if (d.value == TypeKind::FixedList) out_ += ' ' + std::to_string(d.length);
  }
  out_ += ')';
}

void ComponentPrinter::func(const TypeDef& d) {
  out_ += d.is_async ? "(func async" : "(func";
  for (const LabeledType& item : d.items) {
    out_ += " (param ";
    literal(item.label);
    out_ += ' ';
    value_type(*item.type);
    out_ += ')';
  }
  if (d.result) {
    out_ += " (result ";
    value_type(*d.result);
    out_ += ')';
  }
  out_ += ')';
}

Result<> ComponentPrinter::print(const TypeDef& d) {
  out_ += "(type";
  define(Space::Type);
  if (d.kind != TypeDef::Kind::Component && d.kind != TypeDef::Kind::Instance) out_ += ' ';
  switch (d.kind) {
    case TypeDef::Kind::Value: value(d); break;
    case TypeDef::Kind::Func: func(d); break;
    case TypeDef::Kind::Component:
    case TypeDef::Kind::Instance: TRY(declarations(d)); break;
    case TypeDef::Kind::Resource:
      out_ += "(resource (rep " + wasm::to_string(d.representation) + ')';
      if (d.destructor) {
        out_ += " (dtor ";
        index(Space::CoreFunc, *d.destructor);
        out_ += ')';
      }
      out_ += ')';
  }
  out_ += ')';
  return {};
}

Result<> ComponentPrinter::declarations(const TypeDef& d) {
  auto inner = std::make_unique<Scope>();
  inner->is_type = true;
  scopes_.push_back(std::move(inner));
  ++depth_;
  line();
  out_ += d.kind == TypeDef::Kind::Component ? "(component" : "(instance";
  ++depth_;
  for (const Definition& declaration : d.declarations) {
    line();
    defining_.reset();
    TRY(std::visit([&](const auto& body) { return print(body); }, declaration.body));
  }
  --depth_;
  if (!d.declarations.empty()) line();
  out_ += ')';
  --depth_;
  line();
  scopes_.pop_back();
  return {};
}

// --- core types

void ComponentPrinter::core_func(const wasm::FuncType& type) {
  const auto list = [&](const char* word, const std::vector<wasm::ValType>& types) {
    if (types.empty()) return;
    out_ += std::string(" (") + word;
    for (const wasm::ValType t : types) out_ += ' ' + wasm::to_string(t);
    out_ += ')';
  };
  list("param", type.params);
  list("result", type.results);
}

void ComponentPrinter::core_field(const wasm::FieldType& type) {
  if (type.is_mutable) out_ += "(mut ";
  if (type.packed == wasm::Packed::None) {
    out_ += wasm::to_string(type.type);
  } else {
    out_ += type.packed == wasm::Packed::I8 ? "i8" : "i16";
  }
  if (type.is_mutable) out_ += ')';
}

void ComponentPrinter::core_type(const wasm::Module& module, u32 index) {
  const wasm::SubType& t = module.types[index];
  const bool is_plain = t.is_final && !t.super;
  if (!is_plain) {
    out_ += t.is_final ? "(sub final " : "(sub ";
    if (t.super) out_ += std::to_string(t.super->value) + ' ';
  }
  switch (t.kind) {
    case wasm::CompositeKind::Func:
      out_ += "(func";
      core_func(t.func);
      break;
    case wasm::CompositeKind::Struct:
      out_ += "(struct";
      for (const wasm::FieldType& f : t.strct.fields) {
        out_ += " (field ";
        core_field(f);
        out_ += ')';
      }
      break;
    case wasm::CompositeKind::Array: out_ += "(array "; core_field(t.array.element);
  }
  out_ += is_plain ? ")" : "))";
}

// A group as a definition; `prefix` opens it: "(core " among the definitions of a component.
void ComponentPrinter::core_group(const wasm::Module& module, u32 first, u32 count, bool is_rec,
                                  std::string_view prefix) {
  out_ += prefix;
  if (is_rec) {
    out_ += "rec";
    ++depth_;
    prefix = "(";
  }
  for (u32 i = 0; i < count; ++i) {
    if (is_rec) {
      line();
      out_ += prefix;
    }
    out_ += "type";
    define(Space::CoreType);
    out_ += ' ';
    core_type(module, first + i);
    out_ += ')';
  }
  if (is_rec) {
    --depth_;
    out_ += ')';
  }
}

void ComponentPrinter::core_extern(const wasm::Module& module, const wasm::Import& import) {
  const auto limits = [&](const wasm::Limits& l, bool is_64) {
    if (is_64) out_ += " i64";
    out_ += ' ' + std::to_string(l.min);
    if (l.max) out_ += ' ' + std::to_string(*l.max);
  };
  out_ += std::string("(") + wasm::to_string(import.kind);
  switch (import.kind) {
    case ExternKind::Func: out_ += " (type " + std::to_string(module.functions[import.index].type.value) + ')'; break;
    case ExternKind::Table: {
      const wasm::TableType& t = module.tables[import.index].type;
      limits(t.limits, t.is_64);
      out_ += ' ' + wasm::to_string(t.element);
      break;
    }
    case ExternKind::Memory: {
      const wasm::MemoryType& m = module.memories[import.index].type;
      limits(m.limits, m.is_64);
      if (m.is_shared) out_ += " shared";
      if (m.page_size_log2 != 16) out_ += " (pagesize " + std::to_string(u64{1} << (m.page_size_log2 & 63)) + ')';
      break;
    }
    case ExternKind::Global: {
      const wasm::GlobalType& g = module.globals[import.index].type;
      out_ += g.is_mutable ? " (mut " + wasm::to_string(g.type) + ')' : ' ' + wasm::to_string(g.type);
      break;
    }
    case ExternKind::Tag: out_ += " (type " + std::to_string(module.tags[import.index].type.value) + ')'; break;
  }
  out_ += ')';
}

void ComponentPrinter::module_type(const CoreTypeDef& d) {
  auto inner = std::make_unique<Scope>();
  inner->is_type = true;
  scopes_.push_back(std::move(inner));
  ++depth_;
  line();
  out_ += "(module";
  ++depth_;
  size_t import = 0, exported = d.module->imports.size();
  for (const CoreDeclaration& declaration : d.declarations) {
    using Kind = CoreDeclaration::Kind;
    if (declaration.kind == Kind::Type && declaration.count == 0) continue;  // an empty group: nothing at all
    line();
    switch (declaration.kind) {
      case Kind::Import: {
        const wasm::Import& i = d.group->imports[import++];
        out_ += "(import ";
        literal(i.module);
        out_ += ' ';
        literal(i.name);
        out_ += ' ';
        core_extern(*d.group, i);
        out_ += ')';
        break;
      }
      case Kind::Type: {
        const u32 first = scope().counts[static_cast<size_t>(Space::CoreType)];
        core_group(*d.group, first, declaration.count, declaration.is_rec, "(");
        break;
      }
      case Kind::Alias:
        out_ +=
            "(alias outer " + std::to_string(declaration.count) + ' ' + std::to_string(declaration.index) + " (type";
        define(Space::CoreType);
        out_ += "))";
        break;
      case Kind::Export: {
        const wasm::Import& e = d.group->imports[exported++];
        out_ += "(export ";
        literal(e.name);
        out_ += ' ';
        core_extern(*d.group, e);
        out_ += ')';
      }
    }
  }
  --depth_;
  if (!d.declarations.empty()) line();
  out_ += ')';
  --depth_;
  line();
  scopes_.pop_back();
}

Result<> ComponentPrinter::print(const CoreTypeDef& d) {
  if (!d.module) {
    core_group(*d.group, d.first, d.count, d.is_rec, "(core ");
    return {};
  }
  out_ += "(core type";
  define(Space::CoreType);
  module_type(d);
  out_ += ')';
  return {};
}

}  // namespace berth::component_model
