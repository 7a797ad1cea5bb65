"""Operators that an exported network may use: arithmetic on tensors and layers, and nothing that knows a file.

The list is one of permissions. What torch has besides (``save``, ``from_file``, operators of other libraries) is
refused because it is not named here.
"""

from __future__ import annotations

__all__ = ["PYTHON_OPERATORS", "is_allowed"]

_LAYERS = """
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d alpha_dropout avg_pool1d avg_pool2d
batch_norm bilinear celu channel_shuffle conv1d conv2d conv3d conv_transpose1d conv_transpose2d convolution
_convolution dropout elu embedding feature_alpha_dropout feature_dropout gelu glu grid_sampler grid_sampler_2d
group_norm hardshrink hardsigmoid hardswish hardtanh instance_norm layer_norm leaky_relu linear log_sigmoid
log_softmax logit max_pool1d max_pool2d max_pool2d_with_indices mish native_batch_norm
_native_batch_norm_legit_no_training native_group_norm native_layer_norm native_dropout pad pixel_shuffle
pixel_unshuffle prelu relu relu6 rms_norm rrelu scaled_dot_product_attention selu sigmoid silu softmax _softmax
softplus softshrink tanh threshold constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d
replication_pad2d upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d
affine_grid_generator col2im im2col unfold
"""

_ARITHMETIC = """
abs acos acosh add addbmm addcdiv addcmul addmm all amax amin aminmax any arange arctan argmax argmin argsort asin
asinh atan atan2 atanh baddbmm bitwise_and bitwise_not bitwise_or bitwise_xor bmm bucketize ceil clamp clamp_max
clamp_min clip copysign cos cosh count_nonzero cross cummax cumprod cumsum deg2rad diff div divide dot einsum eq erf
erfc exp exp2 expm1 floor floor_divide floordiv fmax fmin fmod frac full full_like ge gt hypot index isfinite isinf
isnan isclose lerp le linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor
logsumexp lt masked_fill matmul max maximum mean median min minimum mm mul multiply mv nan_to_num ne neg negative
norm linalg_norm linalg_vector_norm numel one_hot ones ones_like outer polar pow prod quantile rad2deg real imag
reciprocal remainder round rsqrt rsub scalar_tensor sgn sign sin sinh sort special_expit sqrt square std std_mean
sub subtract sum tan topk trapz tril triu true_divide trunc unique_dim var var_mean where xlogy zeros zeros_like
view_as_complex view_as_real fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2
"""

_SHAPES = """
alias atleast_1d atleast_2d atleast_3d broadcast_tensors broadcast_to cat chunk clone concat contiguous copy detach
diag diagonal dim empty empty_like expand expand_as fill flatten flip gather hstack index_add index_copy index_put
index_select is_floating_point item len lift_fresh_copy meshgrid movedim moveaxis narrow new_empty new_full new_ones
new_zeros permute repeat repeat_interleave reshape reshape_as resolve_conj resolve_neg roll rot90 scatter
scatter_add select select_scatter size slice slice_scatter split split_with_sizes squeeze stack stride swapaxes
swapdims sym_numel sym_size sym_stride t take tensor_split tile to _to_copy transpose type_as unbind unflatten
unsafe_chunk unsafe_split unsqueeze vstack view view_as device append Int Float Bool FloatImplicit IntImplicit
ScalarImplicit numpy_T _assert_async _assert_scalar _assert_tensor_metadata _unsafe_view _unsafe_index
_shape_as_tensor __and__ __or__ __not__ sym_constrain_range sym_constrain_range_for_size __getitem__ __contains__
__is__ __isnot__ list tensor as_tensor
"""

_ALLOWED = frozenset(f"{_LAYERS} {_ARITHMETIC} {_SHAPES}".split())

_SIZES = """
_operator.abs _operator.add _operator.and_ _operator.eq _operator.floordiv _operator.ge _operator.getitem _operator.gt
_operator.le _operator.lt _operator.mod _operator.mul _operator.ne _operator.neg _operator.not_ _operator.or_
_operator.pos _operator.pow _operator.sub _operator.truediv math.ceil math.floor math.pow math.sqrt math.trunc
torch.sym_float torch.sym_int torch.sym_ite torch.sym_max torch.sym_min torch.sym_not torch.sym_sqrt torch.sym_sum
"""

PYTHON_OPERATORS = frozenset(_SIZES.split())
"""Arithmetic with sizes, as ``torch.export`` names it."""


def is_allowed(operator: str) -> bool:
    """Whether a network may use this operator of ATen.

    >>> is_allowed("conv2d"), is_allowed("relu_"), is_allowed("save")
    (True, True, False)
    """
    return operator in _ALLOWED or operator.removesuffix("_") in _ALLOWED
