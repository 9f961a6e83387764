// Whole components, quoted ones too, and their custom sections.

#include <algorithm>

#include "text/component_parser.h"
#include "text/component_text.h"
#include "text/utf8.h"

namespace berth::text {
namespace {

constexpr u32 kMaxQuoting = 16;  // component quote "(component quote …)"

}  // namespace

Result<ParsedComponent> ComponentParser::run() {
  ParsedComponent out;
  if (!at_form("component")) {
    unexpected();
    return std::unexpected(take_error());
  }
  const u32 closing = Tokens::closing(peek());
  advance(), advance();
  take_text("definition");
  const auto id = optional_id();
  if (id) out.id = id_value(text(*id));
  if (take_text("binary")) {
    Sink content;
    content.mark(peek().offset);
    strings(content);
    out.binary = std::move(content.bytes);
    out.map.entries = std::move(content.map);
  } else {
    push_scope(Scope::Kind::Component);
    scope().id = out.id;
    component_body(closing);
    Sink content = pop_scope();
    out.binary = std::move(content.bytes);
    out.map.entries = std::move(content.map);
  }
  expect_close();
  if (ok() && !at_end()) unexpected();
  if (!ok()) return std::unexpected(take_error());
  return out;
}

void ComponentParser::custom_annotations() {
  const auto& all = tokens().annotations;
  auto it = std::ranges::lower_bound(all, pos(), {}, &Annotation::token);
  for (; ok() && it != all.end() && it->token == pos(); ++it) {
    if (it->kind != Annotation::Custom) continue;
    const auto& parts = tokens().annotation_tokens;
    const auto is_string = [&](u32 i) { return i < it->last && parts[i].kind() == TokenKind::String; };
    if (!is_string(it->first)) return fail(it->offset, "@custom annotation: missing section name");
    const std::string name = string_value(text(parts[it->first]));
    if (!is_utf8(name)) return fail(it->offset, "@custom annotation: malformed UTF-8 encoding");
    Bytes content;
    put_name(content, name);
    u32 i = it->first + 1;
    for (; is_string(i); ++i) append_string(text(parts[i]), content);
    if (i != it->last) return fail(it->offset, "@custom annotation: unexpected token");
    flush();
    scope().out.bytes.push_back(0);
    put_u64(scope().out.bytes, content.size());
    put_bytes(scope().out.bytes, content);
  }
}

namespace {

Result<ParsedComponent> parse(std::string_view source, const ParseOptions& options, size_t begin, size_t end,
                              u32 quoting) {
  const Tokens tokens = TRY(lex(source, begin, end));
  const auto& list = tokens.tokens;
  size_t i = 2;
  if (list.size() > 4 && tokens.text(list[1]) == "component") {
    if (tokens.text(list[i]) == "definition") ++i;
    if (list[i].kind() == TokenKind::Id) ++i;
    if (list[i].kind() == TokenKind::Word && tokens.text(list[i]) == "quote") {
      if (quoting == kMaxQuoting) return fail(ErrorCode::LimitExceeded, "text quoted within quoted text too often");
      std::string quoted = "(component ";
      std::vector<u32> offsets(quoted.size(), list[i].offset);
      for (++i; list[i].kind() == TokenKind::String; ++i) {
        append_string(tokens.text(list[i]), list[i].offset, quoted, offsets);
        quoted += ' ';
        offsets.push_back(list[i].offset);
      }
      quoted += ')';
      offsets.push_back(list[i].offset);
      const auto outward = [&](u64 at) { return at < offsets.size() ? offsets[at] : list[i].offset; };
      auto inner = parse(quoted, options, 0, std::string_view::npos, quoting + 1);
      if (!inner) {
        const auto at = inner.error().offset();
        if (!at) return inner;
        return std::unexpected(std::move(inner).error().at(outward(*at)));
      }
      for (auto& e : inner->map.entries) e.source = outward(e.source);
      return inner;
    }
  }
  return ComponentParser(tokens, source, options).run();
}

}  // namespace

Result<ParsedComponent> parse_component(std::string_view source, const ParseOptions& options, size_t begin,
                                        size_t end) {
  return parse(source, options, begin, end, 0);
}

}  // namespace berth::text
