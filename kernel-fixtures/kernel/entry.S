/* A function in assembler: its debug information says nothing of what it takes. It does nothing, so that any
   machine's assembler takes it. */
    .text
    .globl copy_page
    .type copy_page, %function
copy_page:
    nop
    nop
    .size copy_page, . - copy_page
