(module
  (func (export "meet-bottom")
    (block (result f64)
      )
  )
)