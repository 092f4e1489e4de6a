"""The types a skops file may name. Fixed: a model that needs another one is exported to ONNX instead.

Left out on purpose: everything that carries a function (FunctionTransformer, scorers, callables, searches over
parameters), what looks up attributes by a name in the file (SelectFromModel), everything that reads files or the
network, and every type outside scikit-learn, NumPy and the plain containers.
"""

from __future__ import annotations

from typing import Any

_SKLEARN = """
calibration: CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration _TemperatureScaling
compose._column_transformer: ColumnTransformer
compose._target: TransformedTargetRegressor
decomposition._pca: PCA
decomposition._truncated_svd: TruncatedSVD
discriminant_analysis: LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis
dummy: DummyClassifier DummyRegressor
ensemble._bagging: BaggingClassifier BaggingRegressor
ensemble._forest: ExtraTreesClassifier ExtraTreesRegressor RandomForestClassifier RandomForestRegressor
ensemble._gb: GradientBoostingClassifier GradientBoostingRegressor
ensemble._hist_gradient_boosting.binning: _BinMapper
ensemble._hist_gradient_boosting.gradient_boosting: HistGradientBoostingClassifier HistGradientBoostingRegressor
ensemble._hist_gradient_boosting.predictor: TreePredictor
ensemble._stacking: StackingClassifier StackingRegressor
ensemble._voting: VotingClassifier VotingRegressor
ensemble._weight_boosting: AdaBoostClassifier AdaBoostRegressor
feature_selection._rfe: RFE
feature_selection._variance_threshold: VarianceThreshold
frozen._frozen: FrozenEstimator
impute._base: MissingIndicator SimpleImputer
impute._knn: KNNImputer
isotonic: IsotonicRegression
linear_model._base: LinearRegression
linear_model._bayes: ARDRegression BayesianRidge
linear_model._coordinate_descent: ElasticNet ElasticNetCV Lasso LassoCV
linear_model._glm.glm: GammaRegressor PoissonRegressor TweedieRegressor
linear_model._huber: HuberRegressor
linear_model._logistic: LogisticRegression LogisticRegressionCV
linear_model._quantile: QuantileRegressor
linear_model._ridge: Ridge RidgeClassifier RidgeCV
linear_model._stochastic_gradient: SGDClassifier SGDRegressor
linear_model._theil_sen: TheilSenRegressor
metrics._dist_metrics: EuclideanDistance64
model_selection._classification_threshold: FixedThresholdClassifier
multiclass: OneVsOneClassifier OneVsRestClassifier OutputCodeClassifier _ConstantPredictor
naive_bayes: BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB
neighbors._classification: KNeighborsClassifier
neighbors._regression: KNeighborsRegressor
neighbors._kd_tree: KDTree
neighbors._ball_tree: BallTree
neural_network._multilayer_perceptron: MLPClassifier MLPRegressor
neural_network._stochastic_optimizers: AdamOptimizer SGDOptimizer
pipeline: FeatureUnion Pipeline
preprocessing._data: Binarizer MaxAbsScaler MinMaxScaler Normalizer PowerTransformer QuantileTransformer
preprocessing._data: RobustScaler StandardScaler
preprocessing._discretization: KBinsDiscretizer
preprocessing._encoders: OneHotEncoder OrdinalEncoder
preprocessing._label: LabelBinarizer LabelEncoder
preprocessing._polynomial: PolynomialFeatures SplineTransformer
svm._classes: LinearSVC LinearSVR NuSVC NuSVR SVC SVR
tree._classes: DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor
tree._tree: Tree
utils._bunch: Bunch
_loss._loss: CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss CyHalfGammaLoss CyHalfMultinomialLoss
_loss._loss: CyHalfPoissonLoss CyHalfSquaredError CyHalfTweedieLoss CyHuberLoss CyPinballLoss
_loss.link: HalfLogitLink IdentityLink Interval LogitLink LogLink MultinomialLogit
_loss.loss: AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss HalfPoissonLoss
_loss.loss: HalfSquaredError HalfTweedieLoss HuberLoss PinballLoss
"""
_PLAIN = """
builtins: bool bytes dict float int list set slice str tuple
collections: OrderedDict defaultdict
numpy: bool bool_ dtype float32 float64 int8 int16 int32 int64 intp ndarray object_ str_ uint8 uint16 uint32 uint64
numpy.random._generator: Generator
numpy.random.mtrand: RandomState
scipy.sparse._csr: csr_matrix csr_array
scipy.sparse._csc: csc_matrix csc_array
"""
# Loaders that build data. Those that look up or bind code (FunctionNode, MethodNode, PartialNode, OperatorFuncNode)
# are absent.
LOADERS = frozenset(
    "BytesNode DTypeNode DefaultDictNode DictNode JsonNode ListNode LossNode MaskedArrayNode NdArrayNode ObjectNode"
    " RandomGeneratorNode RandomStateNode SetNode SliceNode SparseMatrixNode TreeNode TupleNode TypeNode".split()
)


def _expand(text: str, prefix: str) -> frozenset[str]:
    lines = (line.split(": ") for line in text.strip().splitlines())
    return frozenset(f"{prefix}{module}.{name}" for module, names in lines for name in names.split())


TYPES = _expand(_SKLEARN, "sklearn.") | _expand(_PLAIN, "")


def forbidden(schema: Any) -> list[str]:
    """Types a parsed skops schema names that are not on the list, or that come with a loader that is not. Sorted.

    Builds nothing, and does not recurse.
    """
    found, stack = set(), [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if "__loader__" in node or "__class__" in node:
                name = f"{node.get('__module__')}.{node.get('__class__')}"
                if name not in TYPES or node.get("__loader__") not in LOADERS:
                    found.add(name)
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return sorted(found)
