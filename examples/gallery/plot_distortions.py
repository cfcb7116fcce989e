"""
Distorted copies of images
==========================

More data is the best remedy against overfitting, and distorted images are data for nothing. A
network given a ``Distortion`` sees each image in another way in each epoch.
"""

from mlpcore import Distortion, load_digits
from mlpcore.plotting import plot_distortions

# %%
# Rotation, scale and translation are drawn anew for each image and epoch, and each pixel is moved
# a little, as its neighbours are.
X, y = load_digits()
distortion = Distortion(
    rotation=15, scale=0.15, shear=10, translation=0.7, elastic=0.4, smoothness=2, thickness=0.3
)
plot_distortions(X[[0, 13, 4, 6]], distortion)

# %%
# Digits that are no longer what they were teach nothing. It helps to look at one kind of distortion
# at a time, and to go a little less far than one can still read.
plot_distortions(X[[0, 13, 4, 6]], Distortion(rotation=60))
