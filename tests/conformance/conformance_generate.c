/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the Criterion tests, one for each case: Criterion's parameterised
 * tests have no names, so that a failure would not say what failed.
 */
#include "conformance_table.h"
#include <stdio.h>

struct output {
    FILE *file;
    size_t cases;
};

static int write_case(void *user, const struct sy_conformance_case *c)
{
    struct output *out = user;

    fprintf(out->file, "CONFORMANCE_CASE(%zu, \"%s\", \"%s\", \"%s\")\n",
            out->cases++, c->switcher, c->engine_name, c->body->name);
    return 0;
}

int main(int argc, char **argv)
{
    struct output out = {0};

    if (argc != 2) {
        fprintf(stderr, "usage: %s FILE\n", argv[0]);
        return 2;
    }
    out.file = fopen(argv[1], "w");
    if (out.file == NULL) {
        perror(argv[1]);
        return 1;
    }
    fprintf(out.file, "/* Written by conformance_generate. */\n"
                      "#include \"tests/conformance/conformance_case.h\"\n\n");
    sy_conformance_each(write_case, &out);
    if (ferror(out.file) != 0 || fclose(out.file) != 0) {
        perror(argv[1]);
        return 1;
    }
    if (out.cases != sy_conformance_declared()) {
        fprintf(stderr, "%zu cases declared, %zu written\n",
                sy_conformance_declared(), out.cases);
        return 1;
    }
    return 0;
}
