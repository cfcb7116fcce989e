/* The tables of activations, losses, optimisers and input kinds, as data. The kernels are left out. */
#include <math.h>
#include <stdint.h>

#define MLP_TABLES_ONLY
#include "activations.h"
#include "inputs.h"
#include "losses.h"
#include "optimizers.h"
#undef MLP_TABLES_ONLY

/* A row of any of them; what a table does not have is 0. */
typedef struct {
    const char *name;
    int flags, n_vectors;
    const char *text;          /* a loss's output units, or an optimiser's hyperparameters */
    const char *parameter;     /* a loss's */
    double usual, low, high;   /* of that parameter, or of a hyperparameter */
} mlp_table_row;

#define ROW(name, flags) {#name, flags, 0, "", "", 0, 0, 0},
static const mlp_table_row mlp_activations[] = {ACTIVATIONS(ROW){0}};
static const mlp_table_row mlp_output_activations[] = {OUTPUT_ACTIVATIONS(ROW){0}};
#undef ROW

#define ROW(name, output, flags, parameter, usual, low, high) \
    {#name, flags, 0, #output, parameter, usual, low, high},
static const mlp_table_row mlp_losses[] = {LOSSES(ROW){0}};
#undef ROW

#define ROW(name, n_vectors, flags, hyperparameters) \
    {#name, flags, n_vectors, hyperparameters, "", 0, 0, 0},
static const mlp_table_row mlp_optimizers[] = {OPTIMIZERS(ROW){0}};
#undef ROW

#define ROW(name, usual, low, high) {#name, 0, 0, "", "", usual, low, high},
static const mlp_table_row mlp_hyperparameters[] = {HYPERPARAMETERS(ROW){0}};
#undef ROW

#define ROW(name, ...) {#name, 0, 0, "", "", 0, 0, 0},
static const mlp_table_row mlp_input_kinds[] = {INPUT_KINDS(ROW){0}};
#undef ROW
