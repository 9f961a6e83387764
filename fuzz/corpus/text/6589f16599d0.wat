(module
  (tag $e0)
  (tag $e1)

  (func (export "catch-throw_ref-0")
    (block $h (result exnref)
      (try_table (catch_ref $e0 $hhrow_ref (local.get $e))
  )
)