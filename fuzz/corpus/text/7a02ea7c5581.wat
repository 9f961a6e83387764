(module
  (func $impora
    (block $h
      (try_table i64.store16) (catch_all $h)
        (block $h0
tch $e032.const 3+
  )
)