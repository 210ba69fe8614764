/* SPDX-License-Identifier: Apache-2.0 */
#include "program_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/compiler.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The kernel follows a script to its interpreter this often, then gives up
   (exec_binprm() in fs/exec.c). */
#define SCRIPTS_MAX 5

/* Of the first line of a script: BINPRM_BUF_SIZE. */
#define FIRST_LINE_BYTES 256

/* ---- finding ------------------------------------------------------------ */

/* 0 if this can be executed, else why not. */
static int check_executable(const char *path)
{
    struct stat st;

    if (stat(path, &st) == -1)
        return errno == ENOTDIR ? -ENOENT : -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode) ||
        faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == -1)
        return -EACCES;
    return 0;
}

int program_find(const char *name, char *path, size_t path_bytes)
{
    const char *folders = getenv("PATH"), *end;
    int err = -ENOENT;

    if (name[0] == '\0')
        return -ENOENT;
    if (strlen(name) >= path_bytes)
        return -ENAMETOOLONG;
    if (strchr(name, '/') != NULL) {
        memcpy(path, name, strlen(name) + 1);
        return check_executable(path);
    }
    if (folders == NULL)
        folders = "/bin:/usr/bin"; /* as execvp(3) */
    for (;; folders = end + 1) {
        int n, found;

        end = strchrnul(folders, ':');
        /* An empty entry is the current folder. */
        n = snprintf(path, path_bytes, "%.*s%s%s", (int)(end - folders),
                     folders, end == folders ? "./" : "/", name);
        found = n < 0 || (size_t)n >= path_bytes ? -ENAMETOOLONG
                                                 : check_executable(path);
        if (found == 0)
            return 0;
        if (found == -EACCES)
            err = found;
        if (*end == '\0')
            return err;
    }
}

/* ---- privileges --------------------------------------------------------- */

static int has_capabilities(const char *path)
{
    return getxattr(path, "security.capability", NULL, 0) > 0;
}

/* Does the kernel honour the bits that give privileges there? */
static int privileges_count(const char *path)
{
    struct statvfs fs;

    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return 0;
    return statvfs(path, &fs) == -1 || (fs.f_flag & ST_NOSUID) == 0;
}

/*
 * Programs that gain privileges run in secure mode (AT_SECURE, ld.so(8)), in
 * which LD_PRELOAD is ignored. Only a gain counts: what is set-uid to the user
 * who runs it is executed as any other, and so are capabilities for root.
 */
static void look_at_privileges(const char *path, const struct stat *st,
                               struct program_finding *f)
{
    const char *what = NULL;
    int gains = 0;

    if ((st->st_mode & S_ISUID) != 0) {
        what = "is set-uid";
        gains = st->st_uid != getuid();
    }
    /* Without the group's x the bit has meant mandatory locking. */
    if ((st->st_mode & S_ISGID) != 0 && (st->st_mode & S_IXGRP) != 0) {
        what = what == NULL ? "is set-gid" : "is set-uid and set-gid";
        gains = gains || st->st_gid != getgid();
    }
    if (has_capabilities(path)) {
        if (what == NULL)
            what = "has file capabilities";
        gains = gains || getuid() != 0;
    }
    if (what == NULL)
        return;
    if (gains && privileges_count(path)) {
        f->preload = PROGRAM_IGNORES;
        (void)snprintf(f->note, sizeof(f->note),
                       "%s: the loader ignores LD_PRELOAD for it", what);
    } else {
        (void)snprintf(f->note, sizeof(f->note),
                       "%s, but gains nothing by that here: LD_PRELOAD counts",
                       what);
    }
}

/* ---- ELF ---------------------------------------------------------------- */

#if UINTPTR_MAX > 0xffffffffu
typedef Elf64_Ehdr elf_header;
typedef Elf64_Phdr elf_segment;
#define ELF_CLASS_HERE ELFCLASS64
#else
typedef Elf32_Ehdr elf_header;
typedef Elf32_Phdr elf_segment;
#define ELF_CLASS_HERE ELFCLASS32
#endif

static int read_at(int fd, void *buf, size_t bytes, uint64_t offset)
{
    return pread(fd, buf, bytes, (off_t)offset) == (ssize_t)bytes;
}

/*
 * Find the loader that an ELF file names. Returns 1 with its path, 0 if it
 * names none (static), -1 if the file cannot be understood.
 */
static int find_loader(int fd, const elf_header *elf, char loader[PATH_MAX])
{
    if (elf->e_phentsize != sizeof(elf_segment))
        return -1;
    for (unsigned i = 0; i < elf->e_phnum; i++) {
        elf_segment segment;

        if (!read_at(fd, &segment, sizeof(segment),
                     elf->e_phoff + i * sizeof(segment)))
            return -1;
        if (segment.p_type != PT_INTERP)
            continue;
        if (segment.p_filesz == 0 || segment.p_filesz > PATH_MAX ||
            !read_at(fd, loader, segment.p_filesz, segment.p_offset))
            return -1;
        loader[segment.p_filesz - 1] = '\0';
        return 1;
    }
    return 0;
}

static int same_file(const char *a, const char *b)
{
    struct stat sa, sb;

    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

/* Read our own header, which the drop-in's is like. */
static int own_header(elf_header *elf, char loader[PATH_MAX])
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), found = -1;

    if (fd == -1)
        return -1;
    if (read_at(fd, elf, sizeof(*elf), 0))
        found = find_loader(fd, elf, loader);
    close(fd);
    return found;
}

static void look_at_elf(int fd, struct program_finding *f)
{
    char loader[PATH_MAX], own_loader[PATH_MAX];
    elf_header elf, own;
    int own_found = own_header(&own, own_loader);

    if (!read_at(fd, &elf, sizeof(elf), 0))
        return;
    if (elf.e_ident[EI_CLASS] != ELF_CLASS_HERE ||
        (own_found != -1 && (elf.e_machine != own.e_machine ||
                             elf.e_ident[EI_DATA] != own.e_ident[EI_DATA]))) {
        f->preload = PROGRAM_BREAKS;
        (void)snprintf(
            f->note, sizeof(f->note),
            "is of another ELF class or machine (%s, machine %u) than this "
            "command and its drop-in",
            elf.e_ident[EI_CLASS] == ELFCLASS32 ? "32 bits" : "64 bits",
            elf.e_machine);
        return;
    }
    switch (find_loader(fd, &elf, loader)) {
    case 0:
        f->preload = PROGRAM_IGNORES;
        (void)snprintf(f->note, sizeof(f->note),
                       "is statically linked: nothing can be loaded into it");
        break;
    case 1:
        /* An object linked against one C library in a process of another one
           does not get past its relocations. */
        if (own_found == 1 && !same_file(loader, own_loader)) {
            f->preload = PROGRAM_BREAKS;
            (void)snprintf(f->note, sizeof(f->note),
                           "uses another loader (%.200s), so another C "
                           "library, than the drop-in",
                           loader);
        }
        break;
    default:
        break; /* the kernel will say what it thinks of it */
    }
}

/* ---- scripts ------------------------------------------------------------ */

/* Take the interpreter out of "#! /bin/sh -e". Returns 1, or 0 if there is no
   such line. */
static int find_interpreter(const char *line, char *interpreter, size_t bytes)
{
    size_t n;

    if (line[0] != '#' || line[1] != '!')
        return 0;
    line += 2;
    line += strspn(line, " \t");
    n = strcspn(line, " \t\n");
    if (n == 0 || n >= bytes)
        return 0;
    memcpy(interpreter, line, n);
    interpreter[n] = '\0';
    return 1;
}

/* Look at one file. Returns 1 if f->file is now the interpreter to look at
   next. */
static int look_at_file(struct program_finding *f)
{
    char head[FIRST_LINE_BYTES + 1] = "", name[FIRST_LINE_BYTES];
    struct stat st;
    ssize_t n;
    int fd = open(f->file, O_RDONLY | O_CLOEXEC), is_script;

    if (fd == -1) {
        /* Permission to execute is not permission to read. */
        if (stat(f->file, &st) == 0)
            look_at_privileges(f->file, &st, f);
        return 0;
    }
    n = read(fd, head, FIRST_LINE_BYTES);
    is_script = n > 2 && find_interpreter(head, name, sizeof(name));
    if (!is_script) {
        /* Of scripts the kernel ignores them. */
        if (fstat(fd, &st) == 0)
            look_at_privileges(f->file, &st, f);
        if (n >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0) {
            if (f->preload == PROGRAM_TAKES)
                look_at_elf(fd, f);
        } else if (f->note[0] == '\0') {
            (void)snprintf(f->note, sizeof(f->note),
                           "has no header; a shell will be tried on it");
        }
    }
    close(fd);
    if (is_script)
        memcpy(f->file, name, strlen(name) + 1);
    return is_script;
}

void program_inspect(const char *path, struct program_finding *f)
{
    char about[PROGRAM_NOTE_BYTES];
    int depth = 0;

    memset(f, 0, sizeof(*f));
    (void)snprintf(f->file, sizeof(f->file), "%s", path);
    while (depth < SCRIPTS_MAX && look_at_file(f))
        depth++;
    if (depth == 0)
        return;
    if (f->note[0] == '\0') {
        (void)snprintf(f->note, sizeof(f->note),
                       "is a script; %.1000s, which runs it, and what that "
                       "starts get the drop-in",
                       f->file);
        return;
    }
    memcpy(about, f->note, sizeof(about));
    (void)snprintf(f->note, sizeof(f->note),
                   "is a script; %.1000s, which runs it, %.1000s", f->file,
                   about);
}
