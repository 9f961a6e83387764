(module
    (fun8 v128))

  (
)