/* SPDX-License-Identifier: Apache-2.0 */
#include "print_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "command.h"

int print_json(json_t *root)
{
    char *text = json_dumps(root, JSON_INDENT(2));

    json_decref(root);
    if (text == NULL) {
        say("no memory");
        return CLI_ENVIRONMENT;
    }
    puts(text);
    free(text);
    return CLI_OK;
}
