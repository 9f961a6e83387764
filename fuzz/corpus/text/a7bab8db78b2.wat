(module
  (rec (t(@/#)
  (@a , ;  7)))
   $@#$23414@#$)
 % (@"a")
  (@" @ asd\2a 045 \" fdaf \t \u{4c5a