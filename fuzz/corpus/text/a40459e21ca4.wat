(module (func $type-unreachable-ref-implicit
  (drop (ref.is_null))
))