(module binary
  ;; array.newonst 49))
  "\00\61\73\6d\01\00\00\00\01\85\80\80\80\00\01\60"
  "\ff\ff6ef\41\0b"
)