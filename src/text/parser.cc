#include "text/parser.h"

#include "text/module_parser.h"

namespace berth::text {

bool is_text_error(const Error& error) {
  return error.code() == ErrorCode::TextSyntax || error.code() == ErrorCode::TextCustom;
}

namespace {

constexpr u32 kMaxQuoting = 16;  // module quote "(module quote …)"

// The text of `(module quote "…")`, and where each of its bytes stands in the source.
struct Quoted {
  std::optional<std::string> id;
  std::string text;
  std::vector<u32> offsets;
  u32 end = 0;

  u32 source_offset(u64 offset) const { return offset < offsets.size() ? offsets[offset] : end; }
};

std::optional<Quoted> quoted_text(const Tokens& t) {
  if (t.tokens[0].kind() != TokenKind::LParen || Tokens::word(t.tokens[1]) != kw::Module) return std::nullopt;
  size_t i = 2;
  Quoted out;
  if (Tokens::word(t.tokens[i]) == kw::Definition) ++i;
  if (t.tokens[i].kind() == TokenKind::Id) out.id = id_value(t.text(t.tokens[i++]));
  if (Tokens::word(t.tokens[i]) != kw::Quote) return std::nullopt;
  for (++i; t.tokens[i].kind() == TokenKind::String; ++i) {
    if (!out.text.empty()) {
      out.text += ' ';
      out.offsets.push_back(t.tokens[i].offset);
    }
    append_string(t.text(t.tokens[i]), t.tokens[i].offset, out.text, out.offsets);
  }
  if (t.tokens[i].kind() != TokenKind::RParen || t.tokens[i + 1].kind() != TokenKind::End) return std::nullopt;
  out.end = t.tokens[i].offset;
  return out;
}

Result<ParsedModule> parse(std::string_view source, const ParseOptions& options, size_t begin, size_t end,
                           u32 quoting) {
  const Tokens tokens = TRY(lex(source, begin, end));
  const auto quoted = quoted_text(tokens);
  if (!quoted) return ModuleParser(tokens, options).run();
  if (quoting == kMaxQuoting) return fail(ErrorCode::LimitExceeded, "text quoted within quoted text too often");
  auto inner = parse(quoted->text, options, 0, std::string_view::npos, quoting + 1);
  const auto outward = [&](Error&& e) {
    const auto offset = e.offset();
    return offset ? std::move(e).at(quoted->source_offset(*offset)) : std::move(e);
  };
  if (!inner) return std::unexpected(outward(std::move(inner).error()));
  for (auto& e : inner->map.entries) e.source = quoted->source_offset(e.source);
  if (inner->custom_error) inner->custom_error = outward(std::move(*inner->custom_error));
  if (quoted->id) inner->id = quoted->id;
  return inner;
}

}  // namespace

Result<ParsedModule> parse_module(std::string_view source, const ParseOptions& options, size_t begin, size_t end) {
  return parse(source, options, begin, end, 0);
}

}  // namespace berth::text
