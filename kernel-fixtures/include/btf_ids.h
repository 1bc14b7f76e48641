/* Lists of BTF ids that are filled in after linking: a word per id in .BTF_ids, found by the name of the symbol at it. A number makes
   the symbols of one function unique. A set of kfuncs is its size and its flags (bit 0: kfuncs), then pairs of id and flags. */
#ifndef BTF_IDS_H
#define BTF_IDS_H

#define BTF_IDS_ASM(text) asm(".pushsection .BTF_ids, \"a\"\n.balign 4\n" text "\n.popsection")
#define BTF_IDS_LABEL(symbol) ".local " symbol "\n.type " symbol ", %object\n" symbol ":\n"

#define BTF_KFUNCS_START(set) BTF_IDS_ASM(BTF_IDS_LABEL("__BTF_ID__set8__" #set) ".long 0, 1")
#define BTF_KFUNCS_END(set) BTF_IDS_ASM(".size __BTF_ID__set8__" #set ", . - __BTF_ID__set8__" #set)
#define BTF_ID_FLAGS_(function, number, flags)                                                     \
    BTF_IDS_ASM(BTF_IDS_LABEL("__BTF_ID__func__" #function "__" #number) ".long 0, " #flags "\n"   \
                ".size __BTF_ID__func__" #function "__" #number ", 8")
#define BTF_ID_FLAGS__(function, number, flags) BTF_ID_FLAGS_(function, number, flags)
#define BTF_ID_FLAGS(function, flags) BTF_ID_FLAGS__(function, __COUNTER__, flags)

/* A list of single ids, of types here. */
#define BTF_ID_LIST(name) BTF_IDS_ASM(BTF_IDS_LABEL(#name) )
#define BTF_ID(sort, name) BTF_IDS_ASM(BTF_IDS_LABEL("__BTF_ID__" #sort "__" #name "__0") ".long 0")

#define KF_ACQUIRE 1
#define KF_FASTCALL 0x1000

#endif
