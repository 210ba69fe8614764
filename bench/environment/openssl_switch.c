/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How libcrypto's own jobs switch stacks is decided when it is built, and no
 * function tells. But it shows in what the library imports from libc: a build
 * that saves registers with setjmp imports longjmp, one for CET imports
 * swapcontext (both import makecontext, for the first entry).
 */
#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <string.h>

#include "fingerprint.h"

struct imports {
    int swapcontext;
    int longjmp;
};

/*
 * The dynamic symbols of a loaded object. glibc relocates the addresses in its
 * dynamic section in place on most CPUs and musl never does, so an address
 * below the load address is taken as relative.
 */
static uintptr_t address_of(const struct dl_phdr_info *info, uintptr_t ptr)
{
    return ptr < info->dlpi_addr ? info->dlpi_addr + ptr : ptr;
}

static void look_at_name(struct imports *im, const char *name)
{
    if (strcmp(name, "swapcontext") == 0)
        im->swapcontext = 1;
    /* longjmp, _longjmp, siglongjmp, __longjmp_chk */
    if (strstr(name, "longjmp") != NULL)
        im->longjmp = 1;
}

static void scan(const struct dl_phdr_info *info, const ElfW(Dyn) * dyn,
                 struct imports *im)
{
    const ElfW(Sym) *symbols = NULL;
    const char *strings = NULL;
    const uint32_t *gnu_hash = NULL, *hash = NULL;
    uint32_t count = 0;

    for (; dyn->d_tag != DT_NULL; dyn++) {
        uintptr_t at = address_of(info, (uintptr_t)dyn->d_un.d_ptr);

        if (dyn->d_tag == DT_SYMTAB)
            symbols = (const ElfW(Sym) *)at;
        else if (dyn->d_tag == DT_STRTAB)
            strings = (const char *)at;
        else if (dyn->d_tag == DT_GNU_HASH)
            gnu_hash = (const uint32_t *)at;
        else if (dyn->d_tag == DT_HASH)
            hash = (const uint32_t *)at;
    }
    if (symbols == NULL || strings == NULL)
        return;
    /* Imports are not in the GNU hash and so stand before its first symbol
       (word 1); the older table counts all symbols (word 1 as well). */
    if (gnu_hash != NULL)
        count = gnu_hash[1];
    else if (hash != NULL)
        count = hash[1];
    for (uint32_t i = 1; i < count; i++) {
        if (symbols[i].st_shndx == SHN_UNDEF)
            look_at_name(im, strings + symbols[i].st_name);
    }
}

static int look_at_object(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size;
    if (info->dlpi_name == NULL || strstr(info->dlpi_name, "libcrypto") == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

        if (ph->p_type == PT_DYNAMIC)
            scan(info,
                 (const ElfW(Dyn) *)(uintptr_t)(info->dlpi_addr + ph->p_vaddr),
                 user);
    }
    return 1;
}

const char *sy_openssl_switch(void)
{
    struct imports im = {0, 0};

    dl_iterate_phdr(look_at_object, &im);
    if (im.swapcontext)
        return "swapcontext";
    return im.longjmp ? "setjmp" : "unknown";
}
