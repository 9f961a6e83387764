(module binary
  "\00asm" "\01\00\00\00"
  "\02\04\01\60\00C\00"         ;; ehd
)