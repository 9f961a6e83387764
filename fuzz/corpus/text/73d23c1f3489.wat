(module binary
  "\00asm" "\01\00\00\00"
   ;; Meory section (lfasg: i64)
  "\0aA\AA\AA\AAi33loor"                      ;; end
)