/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switchyard completion: a script for a shell, made from the tables of
 * options. What a value is, is told from what help calls it: FILE and DIR are
 * completed as such, and --switcher, --engine and their like take names, which
 * the script asks 'switchyard list' for.
 */
#include <string.h>

#include "command.h"
#include "options.h"
#include "suggest.h"

static const struct option completion_options[] = {{.name = NULL}};

/* The first part of the script is made by functions below, from tables. */
static const char head[] =
    "# Completion of switchyard(1) in bash, by 'switchyard completion bash'.\n"
    "# shellcheck shell=bash\n";

static const char driver[] =
    "\n"
    "# Offer those of the words $1 that begin as $2 does, each behind $3.\n"
    "_switchyard_words() {\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$1\" -P \"${3-}\" -- \"$2\")\n"
    "}\n"
    "\n"
    "_switchyard_files() {\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$2\")\n"
    "}\n"
    "\n"
    "# Names that work here.\n"
    "_switchyard_names() {\n"
    "    local program=${COMP_WORDS[0]/#\\~/$HOME}\n"
    "    \"$program\" list --names \"$1\" 2>/dev/null\n"
    "}\n"
    "\n"
    "# Complete $2 as what $1 says.\n"
    "_switchyard_as() {\n"
    "    local kind=${1%% *} rest=${1#* } word=$2 before=\n"
    "    case $kind in\n"
    "    words) _switchyard_words \"$rest\" \"$word\" ;;\n"
    "    files) _switchyard_files -f \"$word\" ;;\n"
    "    folders) _switchyard_files -d \"$word\" ;;\n"
    "    programs) _switchyard_files -c \"$word\" ;;\n"
    "    names) # a list, with ! in front of what is taken out\n"
    "        [[ $word == *,* ]] && before=${word%,*}, word=${word##*,}\n"
    "        [[ $word == !* ]] && before+=! word=${word#!}\n"
    "        _switchyard_words \"$(_switchyard_names \"$rest\")\" \"$word\" "
    "\"$before\" ;;\n"
    "    combinations)\n"
    "        rest=switchers\n"
    "        [[ $word == *+* ]] && rest=engines before=${word%%+*}+ "
    "word=${word#*+}\n"
    "        _switchyard_words \"$(_switchyard_names \"$rest\")\" \"$word\" "
    "\"$before\" ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "# Bash splits words at = and : too.\n"
    "_switchyard() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}\n"
    "    local i word kind operands=0 only_operands=0\n"
    "    COMPREPLY=()\n"
    "    if ((COMP_CWORD == 1)); then\n"
    "        _switchyard_words \"$_switchyard_commands --help --version\" "
    "\"$cur\"\n"
    "        return\n"
    "    fi\n"
    "    command=$(_switchyard_mode \"$command\" \"${COMP_WORDS[@]:2}\")\n"
    "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if ((only_operands)) || [[ $word != --* ]]; then\n"
    "            ((operands++))\n"
    "            [[ $command == exec ]] && only_operands=1\n"
    "        elif [[ $word == -- ]]; then\n"
    "            only_operands=1\n"
    "        else\n"
    "            kind=$(_switchyard_value \"$command\" \"$word\")\n"
    "            [[ -z $kind ]] && continue\n"
    "            ((i++))\n"
    "            [[ ${COMP_WORDS[i]-} == = ]] && ((i++))\n"
    "            ((i > COMP_CWORD)) && cur=\n"
    "            if ((i >= COMP_CWORD)); then\n"
    "                _switchyard_as \"$kind\" \"$cur\"\n"
    "                return\n"
    "            fi\n"
    "            while [[ ${COMP_WORDS[i + 1]-} == [:=]* ]]; do ((i += 2)); "
    "done\n"
    "            ((i >= COMP_CWORD)) && return\n"
    "        fi\n"
    "    done\n"
    "    if [[ $cur == -* ]] && ((!only_operands)); then\n"
    "        _switchyard_words \"$(_switchyard_options \"$command\")\" "
    "\"$cur\"\n"
    "    else\n"
    "        _switchyard_as \"$(_switchyard_operand \"$command\" "
    "\"$operands\")\" \"$cur\"\n"
    "    fi\n"
    "}\n"
    "\n"
    "complete -F _switchyard switchyard\n";

/* Call fn for each subcommand and each of its modes. */
static void for_each_table(void (*fn)(const struct command *command))
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct command *const *mode = commands[i]->modes;

        fn(commands[i]);
        for (; mode != NULL && *mode != NULL; mode++)
            fn(*mode);
    }
}

/* "run --scenario tls": its option, which chooses it, as "--scenario tls". */
static const char *option_of_mode(const struct command *mode)
{
    return strstr(mode->name, "--");
}

static void print_options(const struct command *command)
{
    const struct command *const *mode = command->modes;

    printf("    '%s') echo '", command->name);
    for (const struct option *o = command->options; o->name != NULL; o++)
        printf("--%s ", o->name);
    for (; mode != NULL && *mode != NULL; mode++)
        printf("%.*s ", (int)strcspn(option_of_mode(*mode), " "),
               option_of_mode(*mode));
    puts("--help' ;;");
}

/* The kind in 'switchyard list --names' that an option's values are of. */
static const char *kind_of_names(const char *option)
{
    static const char *const kinds[][2] = {
        {"switcher", "switchers"},   {"engine", "engines"},
        {"device", "devices"},       {"workload", "workloads"},
        {"reference", "references"},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i][0], option) == 0)
            return kinds[i][1];
    return NULL;
}

static void print_value(const struct command *command, const struct option *o)
{
    if (o->kind == OPTION_FLAG)
        return;
    printf("    '%s:--%s') echo '", command->name, o->name);
    if (o->kind == OPTION_CHOICE) {
        printf("words");
        for (size_t i = 0; o->choices[i] != NULL; i++)
            printf(" %s", o->choices[i]);
    } else if (kind_of_names(o->name) != NULL) {
        printf("names %s", kind_of_names(o->name));
    } else if (strncmp(o->argument, "FILE", 4) == 0) {
        printf("files");
    } else if (strcmp(o->argument, "DIR") == 0) {
        printf("folders");
    } else {
        printf("anything");
    }
    puts("' ;;");
}

static void print_values(const struct command *command)
{
    const struct command *const *mode = command->modes;

    for (const struct option *o = command->options; o->name != NULL; o++)
        print_value(command, o);
    for (; mode != NULL && *mode != NULL; mode++) {
        const char *option = option_of_mode(*mode);
        size_t bytes = strcspn(option, " ");

        printf("    '%s:%.*s') echo 'words%s' ;;\n", command->name, (int)bytes,
               option, option + bytes);
    }
}

/* Words in small letters are to be typed as they are: "verify FILE | ...". */
static void print_verbs(const char *operands)
{
    while (*operands != '\0') {
        size_t n = strcspn(operands, " ");

        if (strspn(operands, "abcdefghijklmnopqrstuvwxyz-") == n &&
            operands[0] != '-')
            printf(" %.*s", (int)n, operands);
        operands += n + strspn(operands + n, " ");
    }
}

static int has_verbs(const char *operands)
{
    return operands[0] >= 'a' && operands[0] <= 'z';
}

static void print_operand(const struct command *command)
{
    const char *operands = command->operands;

    if (has_verbs(operands)) {
        printf("    '%s:0') echo 'words", command->name);
        print_verbs(operands);
        puts("' ;;");
    }
    if (strstr(operands, "PROGRAM") != NULL)
        printf("    '%s:0') echo programs ;;\n    '%s:'*) echo files ;;\n",
               command->name, command->name);
    else if (strstr(operands, "SUBCOMMAND") != NULL)
        printf("    '%s:0') echo \"words $_switchyard_commands\" ;;\n",
               command->name);
    else if (strstr(operands, "SWITCHER+ENGINE") != NULL)
        printf("    '%s:'*) echo combinations ;;\n", command->name);
    else if (strstr(operands, "FILE") != NULL)
        printf("    '%s:'*) echo files ;;\n", command->name);
}

static void print_mode(const struct command *command)
{
    const char *option = option_of_mode(command);

    if (option != NULL) /* it is one */
        printf("    '%.*s'*' %.*s '*) echo '%s' ;;\n",
               (int)(option - command->name - 1), command->name,
               (int)strcspn(option, " "), option, command->name);
}

static void print_function(const char *comment, const char *name,
                           const char *subject,
                           void (*fn)(const struct command *command))
{
    printf("\n# %s\n%s() {\n    case %s in\n", comment, name, subject);
    for_each_table(fn);
}

static void print_bash(void)
{
    fputs(head, stdout);
    printf("\n_switchyard_commands='");
    for (size_t i = 0; commands[i] != NULL; i++)
        printf("%s%s", i != 0 ? " " : "", commands[i]->name);
    puts("'");
    print_function("Print which table of options the words stand for.",
                   "_switchyard_mode", "\"$* \"", print_mode);
    puts("    *) echo \"$1\" ;;\n    esac\n}");
    print_function("Print the options of a table.", "_switchyard_options", "$1",
                   print_options);
    puts("    esac\n}");
    print_function("Print what the value of an option is; nothing if it has "
                   "none.",
                   "_switchyard_value", "$1:$2", print_values);
    puts("    esac\n}");
    print_function("Print what an operand is; $2 others stand before it.",
                   "_switchyard_operand", "$1:$2", print_operand);
    puts("    esac\n}");
    fputs(driver, stdout);
}

static int run_completion(const struct command *self, int argc, char **argv)
{
    struct option_texts operands;
    struct suggestion s;
    int status, nothing = 0;

    status = options_parse(self, argc, argv, &nothing, &operands);
    if (status != -1)
        return status;
    if (operands.count != 1) {
        say("completion takes the name of one shell: bash");
        return CLI_USAGE;
    }
    if (strcmp(operands.item[0], "bash") != 0) {
        suggest_begin(&s, operands.item[0]);
        suggest_offer(&s, "bash");
        suggest_say(&s, "shell");
        say("there is a completion for bash");
        return CLI_USAGE;
    }
    print_bash();
    return CLI_OK;
}

const struct command completion_command = {
    .name = "completion",
    .summary = "Print a script that completes the words of this command",
    .operands = "bash",
    .options = completion_options,
    .notes = "An installation has it where bash-completion looks. Without "
             "that, write\n"
             "  eval \"$(switchyard completion bash)\"\n"
             "into ~/.bashrc.\n",
    .run = run_completion,
};
