(module
  (tag $e0)
  (tag $e1)

  (func (export "catch-rethrow-0")
    (try
      ( $e2  (rety (pagestabhrow$e 0))
      (catch $e0 (t 1) (rethrow 1))
    )
  )
)