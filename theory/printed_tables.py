"""The paper's Tables 1 to 5 as they are printed, in hundredths of a percent, and the sizes of their test sets and
batches."""

TABLE_1 = {
    "CNN": 9947,
    "DropConnect": 9943,
    "FitNet": 9949,
    "NiN": 9953,
    "Maxout": 9955,
    "DSN": 9961,
    "R-CNN": 9969,
    "GenPool": 9969,
    "hinge": 9953,
    "softmax": 9958,
    "l-softmax": 9969,
    "0.5": 9964,
    "1": 9967,
    "1.5": 9969,
}
TABLE_2_CIFAR10 = {
    "DropConnect": 9059,
    "NiN": 8953,
    "Maxout": 8832,
    "DSN": 9031,
    "All-CNN": 9092,
    "R-CNN": 9131,
    "GenPool": 9238,
    "hinge": 9009,
    "softmax": 9095,
    "l-softmax": 9242,
    "0.5": 9247,
    "1": 9284,
    "1.5": 9328,
}
TABLE_2_CIFAR100 = {
    "FitNet": 6496,
    "NiN": 6432,
    "Maxout": 6143,
    "DSN": 6543,
    "All-CNN": 6629,
    "R-CNN": 6825,
    "GenPool": 6763,
    "hinge": 6710,
    "softmax": 6726,
    "l-softmax": 7047,
    "0.5": 6953,
    "1": 7062,
    "1.5": 7138,
}
QUOTED = {
    "CNN": 36,
    "DropConnect": 21,
    "FitNet": 37,
    "NiN": 38,
    "Maxout": 39,
    "DSN": 40,
    "All-CNN": 43,
    "R-CNN": 41,
    "GenPool": 42,
    "l-softmax": 23,
}
"""The rows of Tables 1 and 2 that the paper takes from others, each with its number in the paper's references."""
TABLE_3 = {
    "FaceNet": 9965,
    "Deep FR": 9895,
    "DeepID2+": 9897,
    "l-softmax": 9871,
    "softmax": 9653,
    "0.5": 9798,
    "1": 9886,
    "1.5": 9891,
}
OUTSIDE_DATA = {"FaceNet": "200M", "Deep FR": "2.6M", "DeepID2+": "300K"}
"""The rows of Table 3 trained on other data than CASIA-WebFace, with its number of images."""
TABLE_4 = {
    "softmax": 9788,
    "triplet": 9970,
    "contrastive": 9878,
    "l-softmax": 9905,
    "a-softmax": 9942,
    "cosface": 9910,
    "sphereface+": 9947,
    "0.5": 9911,
    "1": 9941,
    "1.5": 9948,
}
TABLE_5 = {  # k: MNIST softmax, MNIST W-Softmax, CIFAR-10 softmax, CIFAR-10 W-Softmax (α = 1)
    5: (9992, 9993, 9435, 9523),
    6: (9983, 9988, 9155, 9308),
    7: (9967, 9978, 9126, 9265),
    8: (9967, 9976, 9127, 9273),
    9: (9963, 9973, 9124, 9272),
    10: (9958, 9969, 9095, 9244),
}
MNIST_TEST = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
"""Test images of each digit."""
ALPHAS = ("0.5", "1", "1.5")
LOSSES = ("hinge", "softmax", "l-softmax", "triplet", "contrastive", "a-softmax", "cosface", "sphereface+")
NAMES = {
    "hinge": "the hinge loss",
    "l-softmax": "L-Softmax",
    "triplet": "the triplet loss",
    "contrastive": "softmax with the contrastive loss",
    "a-softmax": "A-Softmax",
    "cosface": "CosFace",
    "sphereface+": "SphereFace+",
}
"""What to call a row whose key is not its name."""
MNIST_IMAGES = sum(MNIST_TEST)
CIFAR_IMAGES = 10_000
LFW_PAIRS = 6000
BATCHES = {"CIFAR-10": (256, 10), "LFW": (128, 10_575)}
"""Sec. 5.4, 5.5: samples of a batch and classes in training."""
REFERENCE_23 = {
    ("1", "hinge"): 47,
    ("1", "softmax"): 40,
    ("2, CIFAR-10", "hinge"): 991,
    ("2, CIFAR-10", "softmax"): 905,
    ("2, CIFAR-100", "hinge"): 3290,
    ("2, CIFAR-100", "softmax"): 3274,
    ("3", "softmax"): 347,
}
"""Errors, in hundredths of a percent, that the paper's reference [23] prints (on CIFAR without augmentation) for the
losses whose rows in Tables 1 to 3 name no reference; as far as known here, no command can check them."""
REFERENCE_47 = {"softmax": 9788, "triplet": 9870, "l-softmax": 9910, "cosface": 9933}
"""Rows of Table 4 as the paper's reference [47] prints them in its own Table 2, where 9905 is softmax with the center
loss; all but CosFace's it has from [24], whose network Table 4 uses; as far as known here."""
