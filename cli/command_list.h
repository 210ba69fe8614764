/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands, in the order of the help. One line each. No include guard:
   included more than once on purpose. */
SY_COMMAND(list)
SY_COMMAND(doctor)
SY_COMMAND(run)
SY_COMMAND(compare)
SY_COMMAND(judge)
SY_COMMAND(merge)
SY_COMMAND(export)
SY_COMMAND(conform)
SY_COMMAND(exec)
SY_COMMAND(profile)
SY_COMMAND(explain)
SY_COMMAND(version)
SY_COMMAND(completion)
SY_COMMAND(help)
