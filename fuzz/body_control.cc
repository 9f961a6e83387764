// Blocks, branches, calls and exceptions.
#include <array>

#include "fuzz/body.h"

namespace berth::fuzz {

using wasm::Op;

namespace {

std::string one(char type) { return std::string(1, type); }

}  // namespace

void Body::block_type(std::string_view params, std::string_view results) {
  if (params.empty() && results.empty()) {
    out_.byte(0x40);
  } else if (params.empty() && results.size() == 1) {
    write_type(out_, results.front());
  } else {
    out_.signed_leb(plan_.function_type(params, results));
  }
}

// The depth of a label that carries `types`, or, when that need not be exactly so, that takes them; the number of
// labels when there is none.
u32 Body::label_carrying(std::string_view types, bool exactly) {
  const u32 count = static_cast<u32>(labels_.size());
  const u32 start = below(count);
  for (u32 i = 0; i < count; ++i) {
    const u32 depth = (start + i) % count;
    const std::string& carried = labels_[count - 1 - depth].types;
    bool fits = carried.size() == types.size();
    for (size_t k = 0; fits && k < types.size(); ++k)
      fits = exactly ? carried[k] == types[k] : is_below(types[k], carried[k]);
    if (fits) return depth;
  }
  return count;
}

// Leaves the values that a block takes; most often none.
std::string Body::block_params(u32 depth) {
  std::string params;
  if (choices_.once_in(3)) {
    for (u32 count = 1 + below(2); count > 0; --count) params += any_type();
  }
  values(params, depth);
  return params;
}

// The results of a block of which only the first is wanted.
std::string Body::block_results(char type) {
  std::string results = one(type);
  if (choices_.once_in(4)) results += any_type();
  return results;
}

void Body::control_value(char type, u32 depth) {
  switch (below(10)) {
    case 0:
    case 1: {
      const std::string params = block_params(depth), results = block_results(type);
      block(Op::Block, params, results, [&] {
        drop(params);
        statements(depth);
        values(results, depth);
      });
      return keep_first(results);
    }
    case 2: {
      const std::string params = block_params(depth), results = block_results(type);
      block(Op::Loop, params, results, [&] {
        drop(params);
        statements(depth);
        values(results, depth);
      });
      return keep_first(results);
    }
    case 3: return if_else(type, depth);
    case 4:
    case 5: return branch_if(type, depth);
    case 6:
    case 7: return try_table(type, depth);
    case 8: return legacy_try(type, depth);
    default: return choices_.once_in(4) ? leave(depth) : leaf(type);
  }
}

void Body::if_else(char type, u32 depth) {
  const std::string params = block_params(depth), results = block_results(type);
  value('i', depth + 1);
  block(Op::If, params, results, [&] {
    drop(params);
    statements(depth);
    values(results, depth);
    op(Op::Else);
    drop(params);
    values(results, depth);
  });
  keep_first(results);
}

void Body::tee(char type, u32 depth) {
  const u32 local = local_below(type);
  const bool found = local < locals_.size();
  value(found ? locals_[local] : type, depth + 1);
  if (found) out_.byte(0x22).unsigned_leb(local);
}

void Body::select(char type, u32 depth) {
  value(type, depth + 1);
  value(type, depth + 1);
  value('i', depth + 1);
  if (is_number(type) && choices_.below(2) == 0) {
    op(Op::Select);
  } else {
    op(Op::SelectTyped);
    out_.byte(1);
    write_type(out_, type);
  }
}

// A call of which the first result is kept.
void Body::call(char type, u32 depth) {
  const u32 count = static_cast<u32>(plan_.functions.size());
  for (u32 i = 0, at = below(count); i < count; ++i, ++at) {
    const Signature& callee = plan_.functions[at % count];
    if (callee.results.empty() || !is_below(callee.results.front(), type)) continue;
    values(callee.params, depth);
    call_function(at % count, depth, false);
    return keep_first(callee.results);
  }
  leaf(type);
}

// Calls `callee` in one way of several, its arguments being on the stack.
void Body::call_function(u32 callee, u32 depth, bool tail) {
  const u32 type = plan_.functions[callee].type;
  const auto indirect = [&](u32 as, u32 table) {
    op(tail ? Op::ReturnCallIndirect : Op::CallIndirect);
    out_.unsigned_leb(as).byte(table);
  };
  const auto by_reference = [&] {
    op(tail ? Op::ReturnCallRef : Op::CallRef);
    out_.unsigned_leb(type);
  };
  switch (below(6)) {
    case 0:
    case 1:
      op(tail ? Op::ReturnCall : Op::Call);
      out_.unsigned_leb(callee);
      return;
    case 2:
      if (type == kMaker && below(2) == 0) {
        small_index(false, depth + 1);
        return indirect(type, kMakerTable);
      }
      [[fallthrough]];
    case 3:
      if (choices_.below(4) == 3) {
        small_index(false, depth + 1);
      } else {
        i32_const(static_cast<i32>(callee));
      }
      return indirect(type, kFuncTable);
    case 4:
      i32_const(static_cast<i32>(callee));
      op(Op::TableGet);
      out_.byte(kFuncTable);
      op(Op::RefCastNull);
      out_.unsigned_leb(type);
      return by_reference();
    default:
      op(Op::RefFunc);
      out_.unsigned_leb(callee);
      by_reference();
  }
}

void Body::branch_if(char type, u32 depth) {
  const u32 label = label_carrying(one(type));
  value(type, depth + 1);
  if (label == labels_.size()) return;
  value('i', depth + 1);
  op(Op::BrIf);
  out_.unsigned_leb(label);
}

// br_if to any label.
void Body::branch_statement(u32 depth) {
  const u32 label = below(labels_.size());
  const std::string types = labels_[labels_.size() - 1 - label].types;
  values(types, depth);
  value('i', depth + 1);
  op(Op::BrIf);
  out_.unsigned_leb(label);
  drop(types);
}

void Body::throw_some(u32 depth) {
  const u32 tag = below(kTags);
  values(fixed_types()[kTagTypes[tag]].parts, depth);
  op(Op::Throw);
  out_.byte(tag);
}

// Code after which nothing runs, so that it stands for any value.
void Body::leave(u32 depth) {
  switch (below(9)) {
    case 0: op(Op::Unreachable); return;
    case 1:
      values(self_.results, depth);
      op(Op::Return);
      return;
    case 2: return throw_some(depth);
    case 3:
      value('X', depth + 1);
      op(Op::ThrowRef);
      return;
    case 4: {
      const u32 label = below(labels_.size());
      values(std::string(labels_[labels_.size() - 1 - label].types), depth);
      op(Op::Br);
      out_.unsigned_leb(label);
      return;
    }
    case 5:
    case 6: {
      const std::string types = labels_[below(labels_.size())].types;
      values(types, depth);
      value('i', depth + 1);
      const u32 targets = below(5);
      mask(false, 7);
      op(Op::BrTable);
      out_.unsigned_leb(targets);
      for (u32 i = 0; i <= targets; ++i) out_.unsigned_leb(label_carrying(types, i % 2 == 0));
      return;
    }
    case 7: {
      // The innermost handler that is under way, and those around it.
      for (u32 label = below(labels_.size()); label < labels_.size(); ++label) {
        if (!labels_[labels_.size() - 1 - label].handles) continue;
        op(Op::Rethrow);
        out_.unsigned_leb(label);
        return;
      }
      op(Op::Unreachable);
      return;
    }
    default: {
      const u32 count = static_cast<u32>(plan_.functions.size());
      for (u32 i = 0, at = below(count); i < count; ++i, ++at) {
        const Signature& callee = plan_.functions[at % count];
        bool fits = callee.results.size() == self_.results.size();
        for (size_t k = 0; fits && k < callee.results.size(); ++k) fits = is_below(callee.results[k], self_.results[k]);
        if (!fits) continue;
        values(callee.params, depth);
        return call_function(at % count, depth, true);
      }
    }
  }
}

// try_table with up to three clauses: the first leads to a handler around it that drops what was caught or throws it
// again, the others to wherever they can.
void Body::try_table(char type, u32 depth) {
  const std::string results = block_results(type);
  constexpr u32 kWithRef = 1, kAll = 2;
  const auto caught_by = [](u32 clause, u32 tag) {
    std::string caught = (clause & kAll) != 0 ? std::string() : fixed_types()[kTagTypes[tag]].parts;
    return (clause & kWithRef) != 0 ? caught + 'X' : caught;
  };
  const u32 clause = below(4), tag = below(kTags);
  const std::string caught = caught_by(clause, tag);
  plain_block(results, [&] {
    plain_block(caught, [&] {
      op(Op::TryTable);
      block_type("", results);
      Writer clauses;
      u32 count = 0;
      const auto add = [&](u32 kind, u32 of, u32 label) {
        clauses.byte(kind);
        if ((kind & kAll) == 0) clauses.byte(of);
        clauses.unsigned_leb(label);
        ++count;
      };
      if (choices_.once_in(3)) {
        const u32 other = below(4), of = below(kTags);
        const u32 label = label_carrying(caught_by(other, of), false);
        if (label < labels_.size()) add(other, of, label);
      }
      add(clause, tag, 0);
      if (choices_.once_in(3)) {
        const u32 other = below(4), of = below(kTags);
        const u32 label = label_carrying(caught_by(other, of), false);
        if (label < labels_.size()) add(other, of, label);
      }
      out_.unsigned_leb(count).append(clauses);
      labels_.push_back({results});
      statements(depth);
      if (choices_.once_in(3)) {
        throw_some(depth);
      } else {
        values(results, depth);
      }
      labels_.pop_back();
      op(Op::End);
      op(Op::Br);
      out_.byte(1);
    });
    if (caught.ends_with('X') && choices_.once_in(3)) {
      op(Op::ThrowRef);
    } else {
      drop(caught);
      values(results, depth);
    }
  });
  keep_first(results);
}

void Body::legacy_try(char type, u32 depth) {
  const std::string params = block_params(depth), results = block_results(type);
  op(Op::Try);
  block_type(params, results);
  labels_.push_back({results});
  drop(params);
  statements(depth);
  if (choices_.once_in(3)) {
    throw_some(depth);
  } else {
    values(results, depth);
  }
  if (choices_.once_in(4)) {
    labels_.pop_back();
    op(Op::Delegate);
    out_.unsigned_leb(below(labels_.size()));
    return keep_first(results);
  }
  labels_.back().handles = true;
  for (u32 count = below(3); count > 0; --count) {
    const u32 tag = below(kTags);
    op(Op::Catch);
    out_.byte(tag);
    drop(fixed_types()[kTagTypes[tag]].parts);
    statements(depth);
    values(results, depth);
  }
  if (choices_.below(2) == 1) {
    op(Op::CatchAll);
    if (choices_.once_in(4)) {
      op(Op::Rethrow);
      out_.byte(0);
    } else {
      values(results, depth);
    }
  }
  labels_.pop_back();
  op(Op::End);
  keep_first(results);
}

// Blocks that leave nothing.
void Body::control_statement(u32 depth) {
  switch (below(5)) {
    case 0: {
      const std::string params = block_params(depth);
      return block(Op::Block, params, "", [&] {
        drop(params);
        statements(depth);
      });
    }
    case 1:
    case 2: {
      // It most often ends soon: a condition that holds half of the time.
      const std::string params = block_params(depth);
      return block(Op::Loop, params, "", [&] {
        drop(params);
        statements(depth);
        values(params, depth);
        value('i', depth + 1);
        op(Op::BrIf);
        out_.byte(0);
        drop(params);
      });
    }
    case 3: {
      const std::string params = block_params(depth);
      value('i', depth + 1);
      return block(Op::If, params, "", [&] {
        drop(params);
        statements(depth);
        if (params.empty() && below(2) == 0) return;
        op(Op::Else);
        drop(params);
        statements(depth);
      });
    }
    default: {
      const u32 callee = below(plan_.functions.size());
      values(plan_.functions[callee].params, depth);
      call_function(callee, depth, false);
      drop(plan_.functions[callee].results);
    }
  }
}

}  // namespace berth::fuzz
