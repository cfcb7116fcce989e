/* The tables of activations, losses, optimisers and input kinds, as data, without the kernels. */
#include <math.h>
#include <stdint.h>

#define MLP_TABLES_ONLY
#include "activations.h"
#include "inputs.h"
#include "losses.h"
#include "optimizers.h"
#undef MLP_TABLES_ONLY

/* A row of any of the tables; fields that a table does not have are 0. */
typedef struct {
    const char *name;
    int flags, n_vectors;
    const char *text;           /* a loss's output units, or an optimiser's hyperparameters */
    const char *parameter;      /* the name of a loss's parameter */
    double initial, low, high;  /* default and range of that parameter, or of a hyperparameter */
} mlp_table_row;

#define ROW(name, flags) {#name, flags, 0, "", "", 0, 0, 0},
static const mlp_table_row mlp_activations[] = {ACTIVATIONS(ROW){0}};
static const mlp_table_row mlp_output_activations[] = {OUTPUT_ACTIVATIONS(ROW){0}};
#undef ROW

#define ROW(name, output, flags, parameter, initial, low, high) \
    {#name, flags, 0, #output, parameter, initial, low, high},
static const mlp_table_row mlp_losses[] = {LOSSES(ROW){0}};
#undef ROW

#define ROW(name, n_vectors, flags, hyperparameters) \
    {#name, flags, n_vectors, hyperparameters, "", 0, 0, 0},
static const mlp_table_row mlp_optimizers[] = {OPTIMIZERS(ROW){0}};
#undef ROW

#define ROW(name, initial, low, high) {#name, 0, 0, "", "", initial, low, high},
static const mlp_table_row mlp_hyperparameters[] = {HYPERPARAMETERS(ROW){0}};
#undef ROW

#define ROW(name, ...) {#name, 0, 0, "", "", 0, 0, 0},
static const mlp_table_row mlp_input_kinds[] = {INPUT_KINDS(ROW){0}};
#undef ROW
